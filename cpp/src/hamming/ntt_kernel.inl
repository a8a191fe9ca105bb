// The passes of the transforms, for any vector type. Included in namespaces of ntt_kernel.cpp, after a Vec.
//
// Rows: element n of a subtree lies in lane n % lanes of row n / lanes. Levels of stride >= lanes work on whole rows;
// then squares of lanes x lanes elements are transposed and the last levels work on rows again. Bounds: BoundChain in
// ntt_field.hpp.

constexpr std::size_t lanes = Vec::lanes;
constexpr std::size_t square = lanes * lanes;
constexpr std::size_t rows = power_of_two / lanes;  // of one subtree
constexpr unsigned lane_levels = lanes == 16 ? 4 : 3;
constexpr unsigned row_levels = levels - lane_levels;

struct Twiddle {
  Vec w, wq;
};
inline Twiddle twiddle(Tables::Node node) { return {broadcast32(node.w), broadcast32(node.wq)}; }
inline Twiddle twiddle(const std::int16_t* pair) { return {load(pair), load(pair + lanes)}; }

inline Vec multiply(Vec b, Twiddle f) {
  const Vec low = mullo(b, f.wq);
  return opaque(mulhi(b, f.w) - mulhi(low, broadcast(q)));
}
inline Vec reduce(Vec a) {
  const Vec quotient = shift_right<8>(mulhi(a, broadcast(1365)) + broadcast(128));
  return a - mullo(quotient, opaque(broadcast(q)));
}
template <bool Reduce>
inline void cross(Vec& a, Vec& b, Twiddle f) {
  const Vec product = multiply(b, f);
  const Vec addend = Reduce ? reduce(a) : a;
  a = addend + product;
  b = addend - product;
}
inline void cross(Vec& a, Vec& b) {
  const Vec sum = a + b;
  b = a - b;
  a = sum;
}

// Levels Level and Level + 1 of the second and third quarter of eight rows' three levels.
template <unsigned Level>
inline void forward_two(Vec& a, Vec& b, Vec& c, Vec& d, const Tables::Node* nodes, std::size_t k) {
  const Twiddle upper = twiddle(nodes[(std::size_t{1} << Level) + k]);
  cross<forward_reduces(Level)>(a, c, upper);
  cross<forward_reduces(Level)>(b, d, upper);
  cross<forward_reduces(Level + 1)>(a, b, twiddle(nodes[(std::size_t{2} << Level) + 2 * k]));
  cross<forward_reduces(Level + 1)>(c, d, twiddle(nodes[(std::size_t{2} << Level) + 2 * k + 1]));
}

// Three levels of node k of depth Level.
template <unsigned Level>
inline void forward_three(Vec* x, const Tables::Node* nodes, std::size_t k) {
  const Twiddle upper = twiddle(nodes[(std::size_t{1} << Level) + k]);
#pragma GCC unroll 16
  for (int i = 0; i < 4; ++i) cross<forward_reduces(Level)>(x[i], x[i + 4], upper);
  forward_two<Level + 1>(x[0], x[1], x[2], x[3], nodes, 2 * k);
  forward_two<Level + 1>(x[4], x[5], x[6], x[7], nodes, 2 * k + 1);
}

// Levels 0, 1, 2 of subtree 0, whose first nodes have the factor 1.
inline void forward_root(Vec (&x)[8], const Tables::Node* nodes) {
#pragma GCC unroll 16
  for (int i = 0; i < 4; ++i) cross(x[i], x[i + 4]);
  cross(x[0], x[2]);
  cross(x[1], x[3]);
  cross(x[0], x[1]);
  cross<false>(x[2], x[3], twiddle(nodes[5]));
  forward_two<1>(x[4], x[5], x[6], x[7], nodes, 1);
}

// Rows `row` + i rows / 8 of subtree 0 of 1, as masks.
inline void read_symbols(const std::uint8_t* text, std::uint8_t letter, std::size_t row, Vec (&x)[8]) {
#pragma GCC unroll 16
  for (std::size_t i = 0; i < 8; ++i) x[i] = mask(text + (row + i * (rows / 8)) * lanes, letter);
}
// The same rows of one of 3 subtrees: sums of the masks of three thirds, chosen by value where there are look-ups.
// Subtrees 1 and 2 are left after level 0.
inline void read_thirds(const Tables& tables, std::size_t subtree, const std::uint8_t* text, std::uint8_t letter,
                        std::size_t row, const std::int16_t* choices, Vec (&x)[8]) {
  const Vec upper = load_table(tables.choices[subtree][0]),
            lower = load_table(tables.choices[subtree][subtree == 0 ? 0 : 1]);
#pragma GCC unroll 16
  for (std::size_t i = 0; i < 8; ++i) {
    const std::size_t place = (row + i * (rows / 8)) * lanes;
    if constexpr (Vec::looks_up) {
      x[i] = look_up(i < 4 ? upper : lower, load(choices + place));
    } else {
      const std::int16_t* f = tables.first[subtree] + (i < 4 || subtree == 0 ? 0 : 3);
      x[i] = (mask(text + place, letter) & broadcast(f[0])) +
             (mask(text + place + power_of_two, letter) & broadcast(f[1])) +
             (mask(text + place + 2 * power_of_two, letter) & broadcast(f[2]));
    }
  }
#pragma GCC unroll 16
  for (std::size_t i = 0; i < 4; ++i) {
    if (subtree != 0) cross(x[i], x[i + 4]);
  }
}

// Levels 0 to 5 of one letter in one subtree.
inline void forward_rows(const Tables& tables, std::size_t subtree, const std::uint8_t* text, std::uint8_t letter,
                         const std::int16_t* choices, std::int16_t* work) {
  const Tables::Node* nodes = tables.nodes[subtree].data();
  for (std::size_t row = 0; row < rows / 8; ++row) {
    Vec x[8];
    if (tables.subtrees == 1)
      read_symbols(text, letter, row, x);
    else
      read_thirds(tables, subtree, text, letter, row, choices, x);
    if (subtree == 0) {
      forward_root(x, nodes);
    } else {
      forward_two<1>(x[0], x[1], x[2], x[3], nodes, 0);
      forward_two<1>(x[4], x[5], x[6], x[7], nodes, 1);
    }
#pragma GCC unroll 16
    for (std::size_t i = 0; i < 8; ++i) store(x[i], work + (row + i * (rows / 8)) * lanes);
  }
  for (std::size_t k = 0; k < 8; ++k) {
    for (std::size_t row = 0; row < rows / 64; ++row) {
      std::int16_t* at = work + (k * (rows / 8) + row) * lanes;
      Vec x[8];
#pragma GCC unroll 16
      for (std::size_t i = 0; i < 8; ++i) x[i] = load(at + i * (rows / 64) * lanes);
      forward_three<3>(x, nodes, k);
#pragma GCC unroll 16
      for (std::size_t i = 0; i < 8; ++i) store(x[i], at + i * (rows / 64) * lanes);
    }
  }
}

template <unsigned Level>
inline void forward_lanes(Vec (&x)[lanes], const std::int16_t* factors) {
  if constexpr (Level < levels) {
    constexpr std::size_t nodes = std::size_t{1} << (Level - row_levels), half = lanes / (2 * nodes);
#pragma GCC unroll 16
    for (std::size_t k = 0; k < nodes; ++k) {
      const Twiddle f = twiddle(factors + 2 * lanes * k);
#pragma GCC unroll 16
      for (std::size_t i = 0; i < half; ++i)
        cross<forward_reduces(Level)>(x[2 * half * k + i], x[2 * half * k + half + i], f);
    }
    forward_lanes<Level + 1>(x, factors + 2 * lanes * nodes);
  }
}

// Levels 6 to 11 of one square.
inline void forward_square(const Tables& tables, std::size_t subtree, std::size_t index, const std::int16_t* work,
                           Vec (&x)[lanes]) {
  const Tables::Node* nodes = tables.nodes[subtree].data();
#pragma GCC unroll 16
  for (std::size_t i = 0; i < lanes; ++i) x[i] = load(work + index * square + i * lanes);
  if constexpr (lanes == 16) {
#pragma GCC unroll 16
    for (std::size_t i = 0; i < 4; ++i)
      forward_two<6>(x[4 * i], x[4 * i + 1], x[4 * i + 2], x[4 * i + 3], nodes, 4 * index + i);
  } else {
    forward_three<6>(x, nodes, index);
  }
  transpose(x);
  forward_lanes<row_levels>(x, tables.leaves[subtree].data() + index * 2 * lanes * (lanes - 1));
}

template <bool Reduced>
inline void forward_pair(const Tables& tables, const LetterPair& pair, std::int16_t* out, std::size_t out_tile,
                         std::int16_t* work) {
  std::int16_t* choices = work + 2 * power_of_two;
  for (std::size_t letter = 0; letter < 2 && Vec::looks_up && tables.subtrees == 3; ++letter) {
    const std::uint8_t* text = pair.text[letter];
    for (std::size_t n = 0; text != nullptr && n < power_of_two; n += lanes) {
      store_choices(text + n, text + n + power_of_two, text + n + 2 * power_of_two, pair.letter[letter],
                    choices + letter * power_of_two + n);
    }
  }
  for (std::size_t subtree = 0; subtree < tables.subtrees; ++subtree) {
    for (std::size_t letter = 0; letter < 2; ++letter) {
      if (pair.text[letter] == nullptr) continue;
      const std::size_t part = letter * power_of_two;
      forward_rows(tables, subtree, pair.text[letter], pair.letter[letter], choices + part, work + part);
    }
    for (std::size_t index = 0; index < power_of_two / square; ++index) {
      const std::size_t place = index * square;
      std::int16_t* to = out + (subtree * (power_of_two / tile) + place / tile) * out_tile + 2 * (place % tile);
      Vec x[2][lanes];
      for (std::size_t letter = 0; letter < 2; ++letter) {
        if (pair.text[letter] != nullptr) {
          forward_square(tables, subtree, index, work + letter * power_of_two, x[letter]);
        } else {
#pragma GCC unroll 16
          for (std::size_t i = 0; i < lanes; ++i) x[letter][i] = zero();
        }
      }
#pragma GCC unroll 16
      for (std::size_t i = 0; i < lanes; ++i) {
        const Vec a = Reduced ? reduce(x[0][i]) : x[0][i], b = Reduced ? reduce(x[1][i]) : x[1][i];
        std::int16_t* at = to + i * lanes / tile * out_tile + 2 * (i * lanes % tile);
        store(pair_even(a, b), at);
        store(pair_odd(a, b), at + lanes);
      }
    }
  }
}

void forward(const Tables& tables, const LetterPair& pair, std::int16_t* out, std::size_t out_tile, bool reduced,
             std::int16_t* work) {
  if (reduced)
    forward_pair<true>(tables, pair, out, out_tile, work);
  else
    forward_pair<false>(tables, pair, out, out_tile, work);
}

// Sums of products over 2^16, modulo q: makes the lower halves 0 by a multiple of q that fits in 16 bits with a sign.
inline Vec fold(Vec even, Vec odd) {
  const Vec inverse_of_q = broadcast32(q_inverse & 0xffff), modulus = broadcast32(q);
  return join_upper(sub32(even, multiply_add(mullo(even, inverse_of_q), modulus)),
                    sub32(odd, multiply_add(mullo(odd, inverse_of_q), modulus)));
}

// One vector of frequencies for Blocks blocks.
template <std::size_t Blocks, std::size_t Pairs, bool Reduce>
inline void multiply_row(const Product& p, const std::int16_t* x, const std::int16_t* h, const std::uint32_t* slots,
                         std::int16_t* y) {
  Vec even[Blocks], odd[Blocks];
#pragma GCC unroll 16
  for (std::size_t b = 0; b < Blocks; ++b) even[b] = odd[b] = zero();
  for (std::size_t piece = 0; piece < p.pieces; ++piece) {
    const std::int16_t* segments[Blocks];
#pragma GCC unroll 16
    for (std::size_t b = 0; b < Blocks; ++b) segments[b] = x + slots[b + piece];
#pragma GCC unroll 4
    for (std::size_t at = 0; at < (Pairs > 0 ? Pairs : p.pairs) * 2 * tile; at += 2 * tile) {
      const Vec h_even = load(h + at), h_odd = load(h + at + lanes);
      prefetch(h + at + p.h_tile);  // the pattern's spectra stream through; the text's stay in the caches
#pragma GCC unroll 16
      for (std::size_t b = 0; b < Blocks; ++b) {
        even[b] = add32(even[b], multiply_add(load(segments[b] + at), h_even));
        odd[b] = add32(odd[b], multiply_add(load(segments[b] + at + lanes), h_odd));
      }
    }
    h += p.h_piece;
  }
#pragma GCC unroll 16
  for (std::size_t b = 0; b < Blocks; ++b) {
    Vec folded = fold(even[b], odd[b]);
    if (Reduce) folded = reduce(p.accumulate ? folded + load(y + b * p.length) : folded);
    store(folded, y + b * p.length);
  }
}

template <std::size_t Blocks, std::size_t Pairs, bool Reduce>
void multiply_tile(const Product& p, std::size_t t, std::size_t first) {
  const std::int16_t *x = p.x + t * p.x_tile, *h = p.h + t * p.h_tile;
  std::int16_t* y = p.y + first * p.length + t * tile;
  for (std::size_t i = 0; i < tile; i += lanes) {
    multiply_row<Blocks, Pairs, Reduce>(p, x + 2 * i, h + 2 * i, p.slots + first, y + i);
  }
}

// Three or four letters are the common case: their loop over pairs is unrolled.
template <std::size_t Blocks>
inline void multiply_blocks(const Product& p, std::size_t t, std::size_t first) {
  if (p.pairs == 2) {
    if (p.reduce)
      multiply_tile<Blocks, 2, true>(p, t, first);
    else
      multiply_tile<Blocks, 2, false>(p, t, first);
  } else {
    if (p.reduce)
      multiply_tile<Blocks, 0, true>(p, t, first);
    else
      multiply_tile<Blocks, 0, false>(p, t, first);
  }
}

// Levels Level, Level - 1, ..., row_levels of the inverse, on transposed rows: the place is the row, the factor the
// same for all lanes.
template <unsigned Level>
inline void inverse_lanes(const Tables& tables, Vec (&x)[lanes]) {
  if constexpr (Level >= row_levels) {
    constexpr std::size_t half = std::size_t{1} << (levels - 1 - Level);
#pragma GCC unroll 16
    for (std::size_t n = 0; n < half; ++n) {
      const Twiddle f = twiddle(tables.joins[half + n]);
#pragma GCC unroll 16
      for (std::size_t i = n; i < lanes; i += 2 * half) cross<inverse_reduces(Level)>(x[i], x[i + half], f);
    }
    inverse_lanes<Level - 1>(tables, x);
  }
}

// Two and three levels on rows `stride` apart; the first of them is Level, `row` the place of x[0] among `stride` rows.
template <unsigned Level>
inline void inverse_two(const std::int16_t* places, std::size_t stride, std::size_t row, Vec& a, Vec& b, Vec& c,
                        Vec& d) {
  const Twiddle lower = twiddle(places + 2 * lanes * (stride + row));
  cross<inverse_reduces(Level)>(a, b, lower);
  cross<inverse_reduces(Level)>(c, d, lower);
  cross<inverse_reduces(Level - 1)>(a, c, twiddle(places + 2 * lanes * (2 * stride + row)));
  cross<inverse_reduces(Level - 1)>(b, d, twiddle(places + 2 * lanes * (3 * stride + row)));
}
template <unsigned Level>
inline void inverse_three(const std::int16_t* places, std::size_t stride, std::size_t row, Vec* x) {
  inverse_two<Level>(places, stride, row, x[0], x[1], x[2], x[3]);
  inverse_two<Level>(places, stride, row, x[4], x[5], x[6], x[7]);
#pragma GCC unroll 16
  for (std::size_t i = 0; i < 4; ++i) {
    cross<inverse_reduces(Level - 2)>(x[i], x[i + 4], twiddle(places + 2 * lanes * ((4 + i) * stride + row)));
  }
}

inline void inverse_square(const Tables& tables, std::int16_t* data) {
  Vec x[lanes];
#pragma GCC unroll 16
  for (std::size_t i = 0; i < lanes; ++i) x[i] = load(data + i * lanes);
#pragma GCC unroll 16
  for (std::size_t i = 0; i < lanes; i += 2) cross(x[i], x[i + 1]);
  inverse_lanes<levels - 2>(tables, x);
  transpose(x);
  const std::int16_t* places = tables.places.data();
  if constexpr (lanes == 16) {
#pragma GCC unroll 16
    for (std::size_t i = 0; i < lanes; i += 4)
      inverse_two<row_levels - 1>(places, 1, 0, x[i], x[i + 1], x[i + 2], x[i + 3]);
  } else {
    inverse_three<row_levels - 1>(places, 1, 0, x);
  }
#pragma GCC unroll 16
  for (std::size_t i = 0; i < lanes; ++i) store(x[i], data + i * lanes);
}

// The levels of the inverse that work on squares.
inline void finish_tile(const Product& p, std::size_t t) {
  for (std::size_t b = 0; b < p.blocks; ++b) {
    std::int16_t* y = p.y + b * p.length + t * tile;
    if (t == 0) y[0] = static_cast<std::int16_t>(ntt::reduce(y[0] + p.constant));
    for (std::size_t i = 0; i < tile; i += square) inverse_square(*p.tables, y + i);
  }
}

void multiply(const Product& p) {
  for (std::size_t t = 0; t < p.length / tile; ++t) {
    std::size_t first = 0;
    for (; first + 4 <= p.blocks; first += 4) multiply_blocks<4>(p, t, first);
    switch (p.blocks - first) {
      case 3: multiply_blocks<3>(p, t, first); break;
      case 2: multiply_blocks<2>(p, t, first); break;
      case 1: multiply_blocks<1>(p, t, first); break;
      default: break;
    }
    if (p.tables != nullptr) finish_tile(p, t);
  }
}

template <unsigned Level>
inline void inverse_rows(const std::int16_t* places, std::size_t stride, std::int16_t* data) {
  for (std::size_t row = 0; row < stride; ++row) {
    for (std::size_t block = 0; block < rows; block += 8 * stride) {
      std::int16_t* at = data + (block + row) * lanes;
      Vec x[8];
#pragma GCC unroll 16
      for (std::size_t i = 0; i < 8; ++i) x[i] = load(at + i * stride * lanes);
      inverse_three<Level>(places, stride, row, x);
#pragma GCC unroll 16
      for (std::size_t i = 0; i < 8; ++i) store(x[i], at + i * stride * lanes);
    }
  }
}

// x[n + 4096 t] = F_0 + zeta^-t z^-n F_1 + zeta^-2t z^-2n F_2 for t < Thirds, by zeta^-2 = -1 - zeta^-1.
template <std::size_t Thirds>
inline void join_thirds(const Tables& tables, std::int16_t* data, std::size_t from, std::size_t to) {
  const Twiddle zeta = twiddle(tables.third);
  for (std::size_t row = from; row < to; ++row) {
    std::int16_t* at = data + row * lanes;
    const std::int16_t* twist = tables.twists.data() + row * 4 * lanes;
    const Vec f = load(at);
    const Vec a = multiply(load(at + power_of_two), twiddle(twist));
    const Vec b = multiply(load(at + 2 * power_of_two), twiddle(twist + 2 * lanes));
    store(f + (a + b), at);
    if (Thirds == 1) continue;
    const Vec turned = multiply(a - b, zeta);
    store((f - b) + turned, at + power_of_two);
    if (Thirds == 3) store((f - a) - turned, at + 2 * power_of_two);
  }
}

void inverse(const Tables& tables, std::int16_t* data, std::size_t wanted) {
  for (std::size_t subtree = 0; subtree < tables.subtrees; ++subtree) {
    inverse_rows<5>(tables.places.data(), rows / 64, data + subtree * power_of_two);
    inverse_rows<2>(tables.places.data(), rows / 8, data + subtree * power_of_two);
  }
  if (tables.subtrees == 1) return;
  // Rows of which all three thirds are wanted, two, one.
  std::size_t ends[3] = {0, 0, 0};
  for (std::size_t third = 0; third < 3; ++third) {
    const std::size_t left = wanted > third * power_of_two ? wanted - third * power_of_two : 0;
    ends[2 - third] = std::min(rows, (left + lanes - 1) / lanes);
  }
  join_thirds<3>(tables, data, 0, ends[0]);
  join_thirds<2>(tables, data, ends[0], ends[1]);
  join_thirds<1>(tables, data, ends[1], ends[2]);
}

void lift(const std::int16_t* y, std::size_t count, std::int32_t base, bool accumulate, std::int32_t* out) {
  const Vec bases = broadcast32(base);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const Vec r = reduce(load(y + i));
    Vec low, high;
    widen(r + (shift_right<15>(r) & broadcast(q)), low, high);
    store32(sub32(accumulate ? load32(out + i) : bases, low), out + i);
    store32(sub32(accumulate ? load32(out + i + lanes / 2) : bases, high), out + i + lanes / 2);
  }
  for (; i < count; ++i) {
    const std::int32_t r = ntt::reduce(y[i]);
    out[i] = (accumulate ? out[i] : base) - (r < 0 ? r + q : r);
  }
}

bool others(const std::uint8_t* text, std::size_t size, const std::uint8_t* letters, std::size_t count,
            std::uint8_t* out) {
  constexpr std::size_t bytes = 2 * lanes;
  Vec all = broadcast(-1);
  for (std::size_t at = 0; at < size; at += 4 * bytes) {
    Vec known[4] = {zero(), zero(), zero(), zero()};
    for (std::size_t c = 0; c < count; ++c) {
#pragma GCC unroll 16
      for (std::size_t i = 0; i < 4; ++i) known[i] = known[i] | equal_bytes(text + at + i * bytes, letters[c]);
    }
    all = all & known[0] & known[1] & known[2] & known[3];
  }
  if (all_set(all)) return false;
  bool known[256] = {};
  for (std::size_t c = 0; c < count; ++c) known[letters[c]] = true;
  for (std::size_t i = 0; i < size; ++i) out[i] = !known[text[i]];
  return true;
}

constexpr Kernel table() noexcept { return {lanes, forward, multiply, inverse, lift, others}; }

// Overlap-save with partitioned patterns over the transforms of ntt_kernel.hpp.
//
// The letters are the distinct codes of all patterns; c0 is one of them. With A_c, B_c the indicators of letter c in text and
// pattern, and A_other that of all other symbols, A_c0 = 1 - A_other - sum of the other A_c, so that
//   matches = cnt_c0 + sum over c != c0 of A_c * (B_c - B_c0) - A_other * B_c0     (* correlates),
// and the spectrum of A_other is wanted only where such symbols occur.
//
// Block b of outputs begins at origin + b V and needs text segments b + s, of N symbols from origin + (b + s) V, for the pieces s
// of V symbols of the pattern (one piece if N >= V + m - 1). The count modulo q is exact for groups of pieces with less than q
// symbols; each group has an inverse transform of its own.
#include "ntt.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <new>

#include "ntt_kernel.hpp"
#include "pyalgo/bits.hpp"

namespace pyalgo::hamming {
namespace {

using ntt::LetterPair;
using ntt::Product;
using ntt::Tables;

constexpr std::size_t pair_tile = 2 * ntt::tile;
constexpr std::size_t most_symbols = static_cast<std::size_t>(ntt::q) - 1;  // of a group
constexpr std::int64_t nowhere = std::numeric_limits<std::int64_t>::min();

// Elements on a cache line's boundary.
template <class T>
class Buffer {
 public:
  explicit Buffer(std::size_t size) : size_(size), storage_(size * sizeof(T) + 63) {
    const auto address = reinterpret_cast<std::uintptr_t>(storage_.data());
    data_ = reinterpret_cast<T*>(storage_.data() + (64 - address % 64) % 64);
  }
  Buffer(Buffer&&) noexcept = default;
  T* data() noexcept { return data_; }
  const T* data() const noexcept { return data_; }
  std::size_t nbytes() const noexcept { return size_ * sizeof(T); }

 private:
  std::size_t size_;
  std::vector<unsigned char> storage_;
  T* data_;
};

// How the text is cut.
struct Geometry {
  std::size_t subtrees = 1;
  std::size_t length = ntt::power_of_two;  // N
  std::size_t hop = 0;                     // V
  std::size_t batch = 1;                   // blocks that go through the pieces together

  std::size_t pieces(std::size_t m) const noexcept { return m + hop <= length + 1 ? 1 : ceil_div(m, hop); }
};

// Estimated cost in units of one element's forward transform.
double cost(const Geometry& g, std::size_t m, std::size_t letters) {
  const double per_position = static_cast<double>(g.length) / static_cast<double>(g.hop);
  const double pieces = static_cast<double>(g.pieces(m)), groups = static_cast<double>(ceil_div(m, most_symbols));
  const double transform = g.subtrees == 3 ? 1.15 : 1.0;
  return per_position * (transform * (static_cast<double>(letters) + groups) + 0.1 * pieces * static_cast<double>(letters / 2 + 1));
}

Geometry choose_geometry(std::size_t m, std::size_t letters) {
  Geometry best;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t subtrees : {1, 3}) {
    Geometry g;
    g.subtrees = subtrees;
    g.length = subtrees * ntt::power_of_two;
    for (std::size_t hop : {m < g.length ? g.length - m + 1 : 0, g.length / 2}) {
      if (hop == 0) continue;
      g.hop = hop;
      g.batch = g.pieces(m) == 1 ? 1 : 8;
      const double c = cost(g, m, letters);
      if (c < least) least = c, best = g;
    }
  }
  return best;
}

struct Group {
  std::size_t first = 0;  // piece
  std::size_t count = 0;
  std::size_t dropped = 0;  // symbols that are c0
};

struct Prepared {
  std::size_t pieces;
  std::vector<Group> groups;
  Buffer<std::int16_t> spectrum;  // [tile][piece][pair]
};

class NttEngine final : public Engine<std::uint8_t> {
 public:
  NttEngine(const std::vector<Pattern<std::uint8_t>>& patterns, Isa isa);

  std::unique_ptr<Workspace> make_workspace() const override { return std::make_unique<Spectra>(*this); }
  void count(const std::uint8_t* text, std::size_t size, std::uint64_t position, Span<const Target> targets,
             Workspace& workspace) const override;

 private:
  struct Slot {
    std::int64_t start = nowhere;  // of the segment, in the whole text
    std::int64_t begin = 0;        // the part of the text that was known
    std::int64_t end = 0;
    bool others = false;
  };
  // A ring of spectra of segments: segment k in slot k mod the ring's size, the tiles of all slots side by side.
  struct Spectra final : Workspace {
    explicit Spectra(const NttEngine& engine);
    std::size_t nbytes() const noexcept override {
      return ring.nbytes() + y.nbytes() + work.nbytes() + symbols.nbytes() + marks.nbytes() + slots.size() * (sizeof(Slot) + sizeof(std::uint32_t));
    }
    bool set = false;
    std::int64_t origin = 0;
    std::vector<Slot> slots;
    std::vector<std::uint32_t> offsets;
    Buffer<std::int16_t> ring, y, work;
    Buffer<std::uint8_t> symbols, marks;
  };
  // The text of one call, by symbol numbers.
  struct Text {
    const std::uint8_t* symbols;
    std::int64_t begin, end;
  };

  Prepared prepare(const Pattern<std::uint8_t>& pattern) const;
  void transform_segment(const Text& text, std::int64_t k, Spectra& spectra) const;
  void count_blocks(const Prepared& pattern, std::size_t blocks, std::int64_t start, bool others, std::int64_t position,
                    const Target& target, Spectra& spectra) const;

  // Letter l of the transformed ones, of which the last is "other".
  std::size_t pair_count() const noexcept { return letters_.size() / 2 + 1; }

  const ntt::Kernel& kernel_;
  std::vector<std::uint8_t> known_;    // all letters, c0 first
  std::vector<std::uint8_t> letters_;  // without c0
  Geometry geometry_;
  const Tables* tables_ = nullptr;
  std::size_t ring_ = 1;  // slots
  std::size_t run_ = 1;   // pairs of products up to a fold
  std::vector<Prepared> patterns_;
};

NttEngine::NttEngine(const std::vector<Pattern<std::uint8_t>>& patterns, Isa isa) : kernel_(ntt::kernel(isa)) {
  std::array<bool, 256> occurs{};
  std::size_t longest = 1;
  for (const auto& pattern : patterns) {
    longest = std::max(longest, pattern.length);
    for (std::uint8_t code : pattern.codes) occurs[code] = true;
  }
  for (std::size_t code = 0; code < 256; ++code) {
    if (occurs[code]) known_.push_back(static_cast<std::uint8_t>(code));
  }
  if (!known_.empty()) letters_.assign(known_.begin() + 1, known_.end());
  geometry_ = choose_geometry(longest, letters_.size());
  tables_ = &Tables::shared(kernel_.lanes, geometry_.subtrees);
  ring_ = geometry_.pieces(longest) + geometry_.batch - 1;
  run_ = ntt::run_limit(true);
  for (const auto& pattern : patterns) patterns_.push_back(prepare(pattern));
}

// H of the pieces: places negated, so that products of spectra correlate; (B_c - B_c0) 2^16 / N.
Prepared NttEngine::prepare(const Pattern<std::uint8_t>& pattern) const {
  const std::size_t length = geometry_.length, pieces = geometry_.pieces(pattern.length), pairs = pair_count();
  Prepared result{pieces, {}, Buffer<std::int16_t>(2 * length * pieces * pairs)};
  Buffer<std::uint8_t> marks[3] = {Buffer<std::uint8_t>(length), Buffer<std::uint8_t>(length), Buffer<std::uint8_t>(length)};
  Buffer<std::int16_t> dropped(2 * length), work(2 * ntt::power_of_two);
  const std::int64_t scale = std::int64_t{65536} * ntt::power(static_cast<std::int64_t>(length), ntt::q - 2);
  const std::size_t h_tile = pieces * pairs * pair_tile;

  std::size_t begin = 0, symbols = 0;
  for (std::size_t piece = 0; piece < pieces; ++piece) {
    std::size_t end = begin;
    const std::size_t limit = piece + 1 == pieces ? pattern.length : (piece + 1) * geometry_.hop;
    while (end < pattern.offsets.size() && pattern.offsets[end] < limit) ++end;
    const auto mark = [&](std::uint8_t letter, Buffer<std::uint8_t>& at) {
      std::memset(at.data(), 0, length);
      std::size_t count = 0;
      for (std::size_t i = begin; i < end; ++i) {
        if (pattern.codes[i] != letter) continue;
        at.data()[(length - (pattern.offsets[i] - piece * geometry_.hop)) % length] = 1;
        ++count;
      }
      return count;
    };
    const std::size_t c0_count = known_.empty() ? 0 : mark(known_[0], marks[2]);
    if (piece == 0 || symbols + (end - begin) > most_symbols) {
      result.groups.push_back({piece, 0, 0});
      symbols = 0;
    }
    symbols += end - begin;
    result.groups.back().count += 1;
    result.groups.back().dropped += c0_count;

    kernel_.forward(*tables_, {{marks[2].data(), marks[2].data()}, {1, 1}}, dropped.data(), pair_tile, true, work.data());
    for (std::size_t pair = 0; pair < pairs; ++pair) {
      LetterPair both;
      for (std::size_t i = 0; i < 2; ++i) {
        both.letter[i] = 1;
        if (2 * pair + i >= letters_.size()) continue;
        mark(letters_[2 * pair + i], marks[i]);
        both.text[i] = marks[i].data();
      }
      std::int16_t* h = result.spectrum.data() + (piece * pairs + pair) * pair_tile;
      kernel_.forward(*tables_, both, h, h_tile, true, work.data());
      for (std::size_t t = 0; t < length / ntt::tile; ++t) {
        for (std::size_t i = 0; i < pair_tile; ++i) {
          std::int16_t& value = h[t * h_tile + i];
          value = static_cast<std::int16_t>(ntt::centred((value - dropped.data()[t * pair_tile + i]) * (scale % ntt::q)));
        }
      }
    }
    begin = end;
  }
  return result;
}

NttEngine::Spectra::Spectra(const NttEngine& engine)
    : slots(engine.ring_), offsets(engine.ring_), ring(2 * engine.geometry_.length * engine.ring_ * engine.pair_count()),
      y(engine.geometry_.length * engine.geometry_.batch), work(2 * ntt::power_of_two), symbols(engine.geometry_.length),
      marks(engine.geometry_.length) {}

// The spectrum of segment k, unless the ring has it from at least the text that is known now.
void NttEngine::transform_segment(const Text& text, std::int64_t k, Spectra& spectra) const {
  const auto length = static_cast<std::int64_t>(geometry_.length), slots = static_cast<std::int64_t>(ring_);
  const std::int64_t start = spectra.origin + k * static_cast<std::int64_t>(geometry_.hop);
  const std::int64_t begin = std::max(start, text.begin), end = std::min(start + length, text.end);
  const auto index = static_cast<std::size_t>(((k % slots) + slots) % slots);
  Slot& slot = spectra.slots[index];
  if (slot.start == start && slot.begin <= begin && slot.end >= end) return;

  // What is unknown touches no output that is wanted: any symbol will do.
  const std::uint8_t* symbols = text.symbols + (start - text.begin);
  if (begin != start || end != start + length) {
    std::memset(spectra.symbols.data(), known_.empty() ? 0 : known_[0], geometry_.length);
    std::memcpy(spectra.symbols.data() + (begin - start), text.symbols + (begin - text.begin), static_cast<std::size_t>(end - begin));
    symbols = spectra.symbols.data();
  }
  slot = {start, begin, end, kernel_.others(symbols, geometry_.length, known_.data(), known_.size(), spectra.marks.data())};
  const std::size_t pairs = pair_count();
  for (std::size_t pair = 0; pair < pairs; ++pair) {
    LetterPair both;
    for (std::size_t i = 0; i < 2; ++i) {
      const std::size_t letter = 2 * pair + i;
      if (letter < letters_.size()) {
        both.text[i] = symbols;
        both.letter[i] = letters_[letter];
      } else if (letter == letters_.size() && slot.others) {
        both.text[i] = spectra.marks.data();
        both.letter[i] = 1;
      }
    }
    kernel_.forward(*tables_, both, spectra.ring.data() + (index * pairs + pair) * pair_tile, ring_ * pairs * pair_tile, true,
                    spectra.work.data());
  }
}

// The outputs of `blocks` blocks from symbol number `start`, as far as the target has them; spectra.offsets is for these blocks.
void NttEngine::count_blocks(const Prepared& pattern, std::size_t blocks, std::int64_t start, bool others, std::int64_t position,
                             const Target& target, Spectra& spectra) const {
  const std::size_t pairs = pair_count(), length = geometry_.length;
  const auto hop = static_cast<std::int64_t>(geometry_.hop);
  bool accumulate = target.accumulate;
  for (const Group& group : pattern.groups) {
    Product product;
    product.x = spectra.ring.data();
    product.x_tile = ring_ * pairs * pair_tile;
    product.slots = spectra.offsets.data() + group.first;
    product.h = pattern.spectrum.data() + group.first * pairs * pair_tile;
    product.h_tile = pattern.pieces * pairs * pair_tile;
    product.h_piece = pairs * pair_tile;
    product.pairs = others || letters_.size() % 2 == 1 ? pairs : pairs - 1;
    product.pieces = product.pairs == 0 ? 0 : group.count;
    product.run = run_;
    product.single_run = group.count * product.pairs <= run_;
    product.y = spectra.y.data();
    product.blocks = blocks;
    product.length = length;
    kernel_.multiply(product);
    for (std::size_t b = 0; b < blocks; ++b) {
      std::int16_t* y = spectra.y.data() + b * length;
      y[0] = static_cast<std::int16_t>(ntt::centred(y[0] + static_cast<std::int64_t>(group.dropped)));  // at all places
      kernel_.inverse(*tables_, y);
      const std::int64_t first = start + static_cast<std::int64_t>(b) * hop;
      const std::int64_t low = std::max(first, position), high = std::min(first + hop, position + static_cast<std::int64_t>(target.count));
      if (low >= high) continue;
      kernel_.lift(y + (low - first), static_cast<std::size_t>(high - low), target.base, accumulate, target.out + (low - position));
    }
    accumulate = true;
  }
}

void NttEngine::count(const std::uint8_t* text, std::size_t size, std::uint64_t position, Span<const Target> targets,
                      Workspace& workspace) const {
  auto& spectra = static_cast<Spectra&>(workspace);
  const Text known{text, static_cast<std::int64_t>(position), static_cast<std::int64_t>(position + size)};
  const auto hop = static_cast<std::int64_t>(geometry_.hop), slots = static_cast<std::int64_t>(ring_);
  std::size_t most = 0;
  for (const Target& target : targets) most = std::max(most, target.count);
  if (most == 0) return;
  const std::int64_t end = known.begin + static_cast<std::int64_t>(most);
  if (ring_ == 1) {
    spectra.origin = known.begin;  // nothing to share with the next call
  } else if (!spectra.set) {
    spectra.origin = end % hop;    // so that the next call begins with a block
    spectra.set = true;
  }
  const auto block_of = [&](std::int64_t at) { return at >= spectra.origin ? (at - spectra.origin) / hop : -1; };
  const std::int64_t last = block_of(end - 1);
  for (std::int64_t block = block_of(known.begin); block <= last; block += static_cast<std::int64_t>(geometry_.batch)) {
    const std::int64_t start = spectra.origin + block * hop;
    // Of each pattern: the blocks in this batch that have outputs of it.
    const auto blocks_of = [&](const Target& target) {
      const std::int64_t target_end = known.begin + static_cast<std::int64_t>(target.count);
      if (target.count == 0 || target_end <= start) return std::size_t{0};
      return std::min(geometry_.batch, static_cast<std::size_t>(block_of(target_end - 1) - block + 1));
    };
    std::size_t segments = 0;
    for (std::size_t p = 0; p < patterns_.size(); ++p) {
      const std::size_t blocks = blocks_of(targets[p]);
      if (blocks > 0) segments = std::max(segments, blocks + patterns_[p].pieces - 1);
    }
    bool others = false;
    for (std::size_t i = 0; i < segments; ++i) {
      const std::int64_t k = block + static_cast<std::int64_t>(i);
      transform_segment(known, k, spectra);
      const auto index = static_cast<std::size_t>(((k % slots) + slots) % slots);
      spectra.offsets[i] = static_cast<std::uint32_t>(index * pair_count() * pair_tile);
      others |= spectra.slots[index].others;
    }
    for (std::size_t p = 0; p < patterns_.size(); ++p) {
      const std::size_t blocks = blocks_of(targets[p]);
      if (blocks > 0) count_blocks(patterns_[p], blocks, start, others, known.begin, targets[p], spectra);
    }
  }
}

}  // namespace

std::unique_ptr<Engine<std::uint8_t>> make_ntt(std::vector<Pattern<std::uint8_t>> patterns, Isa isa) {
  return std::make_unique<NttEngine>(patterns, isa);
}

}  // namespace pyalgo::hamming

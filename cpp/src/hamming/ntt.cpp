// Overlap-save with partitioned patterns over the transforms of ntt_kernel.hpp.
//
// The letters are the distinct codes of all patterns; c0 is one of them. With A_c, B_c the indicators of letter c in
// text and pattern, and A_other that of all other symbols, A_c0 = 1 - A_other - sum of the other A_c, so that
//   matches = cnt_c0 + sum over c != c0 of A_c * (B_c - B_c0) - A_other * B_c0     (* correlates),
// and the spectrum of A_other is wanted only where such symbols occur.
//
// Block b of outputs begins at origin + b V and needs text segments b + s, of N symbols from origin + (b + s) V, for
// the pieces s of V symbols of the pattern (one piece if N >= V + m - 1). The count modulo q is exact for groups of
// pieces with less than q symbols; each group has an inverse transform of its own.
#include "ntt.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "ntt_kernel.hpp"
#include "pyalgo/bits.hpp"

namespace pyalgo::hamming {
namespace {

using ntt::LetterPair;
using ntt::Product;
using ntt::Tables;

constexpr std::size_t pair_tile = 2 * ntt::tile;
constexpr std::size_t most_symbols = static_cast<std::size_t>(ntt::q) - 1;  // of a group
constexpr std::size_t ring_limit = std::size_t{56} << 20;                   // bytes; more letters take turns

// Elements on a cache line's boundary, zero at first.
template <class T>
class Buffer {
 public:
  explicit Buffer(std::size_t size) : size_(size), storage_(size * sizeof(T) + 63) {
    const auto address = reinterpret_cast<std::uintptr_t>(storage_.data());
    data_ = reinterpret_cast<T*>(storage_.data() + (64 - address % 64) % 64);
  }
  Buffer(Buffer&&) noexcept = default;  // a copy would point into the original
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

  std::size_t pieces(std::size_t m) const noexcept { return m + hop <= length + 1 ? 1 : ceil_div(m, hop); }
};

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

// The patterns prepared for one geometry.
struct Plan {
  Geometry geometry;
  const Tables* tables = nullptr;
  std::vector<Prepared> patterns;
  std::size_t batch = 1;  // segments that go through the pieces together
  std::size_t slots = 1;  // of the ring
  bool reduced = true;    // whether spectra of the text are
};

struct Slot {
  std::int64_t start = std::numeric_limits<std::int64_t>::min();  // of the segment, in the whole text
  std::int64_t begin = 0;                                         // the part of the text that was known
  std::int64_t end = 0;
  bool others = false;
};

// A ring of spectra of segments: segment k in slot k mod the ring's size, the tiles of all slots side by side.
struct Spectra final : Engine<std::uint8_t>::Workspace {
  Spectra(std::size_t slot_count, std::size_t ring_size, std::size_t y_size)
      : slots(slot_count),
        offsets(slot_count),
        ring(ring_size),
        y(y_size),
        work(ntt::work_size),
        symbols(3 * ntt::power_of_two),
        marks(3 * ntt::power_of_two) {}
  std::size_t nbytes() const noexcept override {
    return ring.nbytes() + y.nbytes() + work.nbytes() + symbols.nbytes() + marks.nbytes() +
           slots.size() * (sizeof(Slot) + sizeof(std::uint32_t));
  }

  const Plan* plan = nullptr;  // whose spectra these are
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

std::vector<std::uint8_t> distinct_codes(const std::vector<Pattern<std::uint8_t>>& patterns) {
  std::array<bool, 256> occurs{};
  for (const auto& pattern : patterns) {
    for (std::uint8_t code : pattern.codes) occurs[code] = true;
  }
  std::vector<std::uint8_t> codes;
  for (std::size_t code = 0; code < 256; ++code) {
    if (occurs[code]) codes.push_back(static_cast<std::uint8_t>(code));
  }
  return codes;
}

std::size_t longest_of(const std::vector<Pattern<std::uint8_t>>& patterns) {
  std::size_t longest = 1;
  for (const auto& pattern : patterns) longest = std::max(longest, pattern.length);
  return longest;
}

// Nanoseconds per element of a transform, or of the product of one pair; the inverse with what comes once with it
// (fold, squares). Measured on one 3 GHz core with AVX2; only the ratios matter here.
struct Cost {
  double forward, inverse, product;
};
constexpr Cost cost_of(const Geometry& g) noexcept {
  return g.subtrees == 1 ? Cost{0.46, 0.47, 0.07} : Cost{0.47, 0.56, 0.09};
}

class NttEngine final : public Engine<std::uint8_t> {
 public:
  NttEngine(const std::vector<Pattern<std::uint8_t>>& patterns, Isa isa);

  std::size_t slots() const noexcept;
  std::size_t ring_size() const noexcept;
  std::size_t y_size() const noexcept;

  std::unique_ptr<Workspace> make_workspace() const override {
    return std::make_unique<Spectra>(slots(), ring_size(), y_size());
  }
  void count(const std::uint8_t* text, std::size_t size, std::uint64_t position, Span<const Target> targets,
             Workspace& workspace) const override;

 private:
  Plan make_plan(const std::vector<Pattern<std::uint8_t>>& patterns, std::size_t longest,
                 const Geometry& geometry) const;
  Prepared prepare(const Pattern<std::uint8_t>& pattern, const Plan& plan) const;
  double cost(const Plan& plan, std::size_t outputs, bool warm) const;
  void transform_segment(const Plan& plan, const Text& text, std::int64_t k, Spectra& spectra) const;
  void count_group(const Plan& plan, const Prepared& pattern, const Group& group, std::size_t blocks, bool others,
                   Spectra& spectra) const;
  // The transformed letters, then "other", in pairs.
  std::size_t pair_count() const noexcept { return letters_.size() / 2 + 1; }

  const ntt::Kernel& kernel_;
  std::vector<std::uint8_t> known_;    // all letters, c0 first
  std::vector<std::uint8_t> letters_;  // without c0
  std::vector<Plan> plans_;
};

NttEngine::NttEngine(const std::vector<Pattern<std::uint8_t>>& patterns, Isa isa)
    : kernel_(ntt::kernel(isa)), known_(distinct_codes(patterns)) {
  const std::size_t longest = longest_of(patterns);
  if (!known_.empty()) letters_.assign(known_.begin() + 1, known_.end());
  for (std::size_t subtrees : {1, 3}) {
    Geometry g;
    g.subtrees = subtrees;
    g.length = subtrees * ntt::power_of_two;
    // Up to here one piece costs less than two of half the length.
    g.hop = longest <= g.length * 9 / 16 ? g.length - longest + 1 : g.length / 2;
    if (subtrees == 1 && (letters_.size() > 32 || longest > (1 << 17)))
      continue;  // two plans would cost too much memory
    plans_.push_back(make_plan(patterns, longest, g));
  }
}

Plan NttEngine::make_plan(const std::vector<Pattern<std::uint8_t>>& patterns, std::size_t longest,
                          const Geometry& geometry) const {
  Plan plan;
  plan.geometry = geometry;
  plan.tables = &Tables::shared(kernel_.lanes, geometry.subtrees);
  plan.batch = geometry.pieces(longest) == 1 ? 1 : 4;
  std::size_t most = 1, groups = 0;  // pieces of a group
  for (const auto& pattern : patterns) {
    plan.patterns.push_back(prepare(pattern, plan));
    groups += plan.patterns.back().groups.size();
    for (const Group& group : plan.patterns.back().groups) most = std::max(most, group.count);
  }
  plan.slots = std::max(geometry.pieces(longest), plan.batch + most - 1);
  // Spectra of the text are reduced where they must be, or where that is less work than to reduce their products.
  const std::size_t terms = most * pair_count();
  plan.reduced = terms > ntt::fold_limit(false) || (groups > letters_.size() && terms <= ntt::inverse_limit(true));
  return plan;
}

// H of the pieces: places negated, so that products of spectra correlate; (B_c - B_c0) 2^16 / N.
Prepared NttEngine::prepare(const Pattern<std::uint8_t>& pattern, const Plan& plan) const {
  const std::size_t length = plan.geometry.length, hop = plan.geometry.hop, pairs = pair_count();
  const std::size_t pieces = plan.geometry.pieces(pattern.length), h_tile = pieces * pairs * pair_tile;
  Prepared result{pieces, {}, Buffer<std::int16_t>(2 * length * pieces * pairs)};
  Buffer<std::uint8_t> marks[3] = {Buffer<std::uint8_t>(length), Buffer<std::uint8_t>(length),
                                   Buffer<std::uint8_t>(length)};
  Buffer<std::int16_t> dropped(2 * length), work(ntt::work_size);
  const ntt::Factor scale =
      ntt::factor(std::int64_t{65536} * ntt::power(static_cast<std::int64_t>(length), ntt::q - 2));

  std::size_t begin = 0, symbols = 0;
  for (std::size_t piece = 0; piece < pieces; ++piece) {
    std::size_t end = begin;
    while (end < pattern.offsets.size() && (piece + 1 == pieces || pattern.offsets[end] < (piece + 1) * hop)) ++end;
    const auto mark = [&](std::uint8_t letter, std::uint8_t* at) {
      std::memset(at, 0, length);
      std::size_t count = 0;
      for (std::size_t i = begin; i < end; ++i) {
        if (pattern.codes[i] != letter) continue;
        at[(length - (pattern.offsets[i] - piece * hop)) % length] = 1;
        ++count;
      }
      return count;
    };
    if (piece == 0 || symbols + (end - begin) > most_symbols) {
      result.groups.push_back({piece, 0, 0});
      symbols = 0;
    }
    symbols += end - begin;
    result.groups.back().count += 1;
    if (!known_.empty()) result.groups.back().dropped += mark(known_[0], marks[2].data());

    kernel_.forward(*plan.tables, {{marks[2].data(), marks[2].data()}, {1, 1}}, dropped.data(), pair_tile, true,
                    work.data());
    for (std::size_t pair = 0; pair < pairs; ++pair) {
      LetterPair both;
      for (std::size_t i = 0; i < 2; ++i) {
        both.letter[i] = 1;
        if (2 * pair + i >= letters_.size()) continue;
        mark(letters_[2 * pair + i], marks[i].data());
        both.text[i] = marks[i].data();
      }
      std::int16_t* h = result.spectrum.data() + (piece * pairs + pair) * pair_tile;
      kernel_.forward(*plan.tables, both, h, h_tile, true, work.data());
      for (std::size_t t = 0; t < length / ntt::tile; ++t) {
        for (std::size_t i = 0; i < pair_tile; ++i) {
          std::int16_t& value = h[t * h_tile + i];
          value =
              static_cast<std::int16_t>(ntt::reduce(ntt::montgomery(value - dropped.data()[t * pair_tile + i], scale)));
        }
      }
    }
    begin = end;
  }
  return result;
}

std::size_t NttEngine::slots() const noexcept {
  std::size_t most = 0;
  for (const Plan& plan : plans_) most = std::max(most, plan.slots);
  return most;
}

std::size_t NttEngine::ring_size() const noexcept {
  std::size_t most = 0;
  for (const Plan& plan : plans_) most = std::max(most, 2 * plan.geometry.length * plan.slots * pair_count());
  return most;
}

std::size_t NttEngine::y_size() const noexcept {
  std::size_t most = 0;
  for (const Plan& plan : plans_) most = std::max(most, plan.geometry.length * plan.batch);
  return most;
}

// Estimated nanoseconds of a call; `warm` if the ring holds the segments of the call before.
double NttEngine::cost(const Plan& plan, std::size_t outputs, bool warm) const {
  const Cost unit = cost_of(plan.geometry);
  const bool shared = plan.slots > 1;
  const double blocks = static_cast<double>(ceil_div(outputs, plan.geometry.hop));
  double groups = 0, terms = 0, pieces = 1;
  for (const Prepared& pattern : plan.patterns) {
    groups += static_cast<double>(pattern.groups.size());
    terms += static_cast<double>(pattern.pieces * pair_count());
    pieces = std::max(pieces, static_cast<double>(pattern.pieces));
  }
  const double segments = !shared ? blocks
                          : warm  ? static_cast<double>(outputs) / static_cast<double>(plan.geometry.hop) + 1
                                  : blocks + pieces - 1;
  return static_cast<double>(plan.geometry.length) * (segments * static_cast<double>(letters_.size()) * unit.forward +
                                                      blocks * (groups * unit.inverse + terms * unit.product));
}

// The spectrum of segment k, unless the ring has it from at least the text that is known now.
void NttEngine::transform_segment(const Plan& plan, const Text& text, std::int64_t k, Spectra& spectra) const {
  const std::size_t length = plan.geometry.length, pairs = pair_count();
  const std::int64_t start = spectra.origin + k * static_cast<std::int64_t>(plan.geometry.hop);
  const std::int64_t whole = start + static_cast<std::int64_t>(length);
  const std::int64_t begin = std::max(start, text.begin), end = std::max(begin, std::min(whole, text.end));
  const auto slots = static_cast<std::int64_t>(plan.slots);
  const auto index = static_cast<std::size_t>(((k % slots) + slots) % slots);
  Slot& slot = spectra.slots[index];
  if (slot.start == start && slot.begin <= begin && slot.end >= end) return;

  const std::uint8_t* symbols = spectra.symbols.data();
  if (begin == start && end == whole) {
    symbols = text.symbols + (start - text.begin);
  } else {  // what is unknown touches no output that is wanted: any symbol will do
    std::memset(spectra.symbols.data(), known_.empty() ? 0 : known_[0], length);
    if (begin < end)
      std::memcpy(spectra.symbols.data() + (begin - start), text.symbols + (begin - text.begin),
                  static_cast<std::size_t>(end - begin));
  }
  slot = {start, begin, end, kernel_.others(symbols, length, known_.data(), known_.size(), spectra.marks.data())};
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
    std::int16_t* out = spectra.ring.data() + (index * pairs + pair) * pair_tile;
    kernel_.forward(*plan.tables, both, out, plan.slots * pairs * pair_tile, plan.reduced, spectra.work.data());
  }
}

// y of several blocks of one group; spectra.offsets begins with the first block's first segment.
void NttEngine::count_group(const Plan& plan, const Prepared& pattern, const Group& group, std::size_t blocks,
                            bool others, Spectra& spectra) const {
  const std::size_t stored = pair_count();
  const std::size_t pairs = others || letters_.size() % 2 == 1 ? stored : stored - 1;
  const std::size_t limit = ntt::fold_limit(plan.reduced);
  Product product;
  product.x_tile = plan.slots * stored * pair_tile;
  product.h_tile = pattern.pieces * stored * pair_tile;
  product.h_piece = stored * pair_tile;
  product.y = spectra.y.data();
  product.blocks = blocks;
  product.length = plan.geometry.length;
  product.reduce = group.count * pairs > ntt::inverse_limit(plan.reduced);  // so also if there are several steps
  product.constant = static_cast<std::int32_t>(group.dropped % ntt::q);
  // As many terms at a time as fit in 32 bits: all of a few pieces, or some of the pairs of one.
  const std::size_t pieces_step = std::max<std::size_t>(1, pairs == 0 ? group.count : limit / pairs);
  const std::size_t pairs_step = std::min(pairs, limit);
  for (std::size_t piece = 0; piece < group.count; piece += pieces_step) {
    std::size_t pair = 0;
    do {
      product.pieces = std::min(pieces_step, group.count - piece);
      product.pairs = std::min(pairs_step, pairs - pair);
      product.x = spectra.ring.data() + pair * pair_tile;
      product.slots = spectra.offsets.data() + piece;
      product.h = pattern.spectrum.data() + ((group.first + piece) * stored + pair) * pair_tile;
      pair += pairs_step;
      if (piece + pieces_step >= group.count && pair >= pairs) product.tables = plan.tables;
      kernel_.multiply(product);
      product.accumulate = true;
    } while (pair < pairs);
  }
  for (std::size_t b = 0; b < blocks; ++b) {
    kernel_.inverse(*plan.tables, spectra.y.data() + b * product.length, plan.geometry.hop);
  }
}

void NttEngine::count(const std::uint8_t* text, std::size_t size, std::uint64_t position, Span<const Target> targets,
                      Workspace& workspace) const {
  auto& spectra = static_cast<Spectra&>(workspace);
  const Text known{text, static_cast<std::int64_t>(position), static_cast<std::int64_t>(position + size)};
  std::size_t most = 0;
  for (const Target& target : targets) most = std::max(most, target.count);
  if (most == 0) return;

  const Plan* chosen = &plans_[0];
  for (const Plan& plan : plans_) {
    if (cost(plan, most, spectra.plan == &plan) < cost(*chosen, most, spectra.plan == chosen)) chosen = &plan;
  }
  const Plan& plan = *chosen;
  const auto hop = static_cast<std::int64_t>(plan.geometry.hop), slots = static_cast<std::int64_t>(plan.slots);
  const auto batch = static_cast<std::int64_t>(plan.batch);
  if (plan.slots == 1) {
    spectra.origin = known.begin;  // nothing to share with other calls
  } else if (spectra.plan != &plan) {
    spectra.origin =
        (known.begin + static_cast<std::int64_t>(most)) % hop;  // so that the next call begins with a block
  }
  if (spectra.plan != &plan || plan.slots == 1) std::fill(spectra.slots.begin(), spectra.slots.end(), Slot{});
  spectra.plan = &plan;

  const auto block_of = [&](std::int64_t at) { return at >= spectra.origin ? (at - spectra.origin) / hop : -1; };
  const std::int64_t first = block_of(known.begin);
  std::int64_t furthest = first;
  for (std::size_t p = 0; p < plan.patterns.size(); ++p) {
    if (targets[p].count == 0) continue;
    const std::int64_t last = block_of(known.begin + static_cast<std::int64_t>(targets[p].count) - 1);
    furthest = std::max(furthest, last + static_cast<std::int64_t>(plan.patterns[p].groups.back().first));
  }
  // By segments: each is transformed, goes through all groups while it is in the caches, and is not needed again in
  // this call.
  for (std::int64_t segment = first; segment <= furthest; segment += batch) {
    for (std::size_t p = 0; p < plan.patterns.size(); ++p) {
      const Target& target = targets[p];
      if (target.count == 0) continue;
      const std::int64_t end = known.begin + static_cast<std::int64_t>(target.count), last = block_of(end - 1);
      for (const Group& group : plan.patterns[p].groups) {
        const std::int64_t from = std::max(first, segment - static_cast<std::int64_t>(group.first));
        const std::int64_t to = std::min(last, segment - static_cast<std::int64_t>(group.first) + batch - 1);
        if (from > to) continue;
        const auto blocks = static_cast<std::size_t>(to - from + 1);
        bool others = false;
        for (std::size_t i = 0; i < blocks + group.count - 1; ++i) {
          const std::int64_t k = from + static_cast<std::int64_t>(group.first + i);
          transform_segment(plan, known, k, spectra);
          const auto index = static_cast<std::size_t>(((k % slots) + slots) % slots);
          spectra.offsets[i] = static_cast<std::uint32_t>(index * pair_count() * pair_tile);
          others |= spectra.slots[index].others;
        }
        count_group(plan, plan.patterns[p], group, blocks, others, spectra);
        const bool accumulate = target.accumulate || group.first > 0;
        for (std::size_t b = 0; b < blocks; ++b) {
          const std::int64_t start = spectra.origin + (from + static_cast<std::int64_t>(b)) * hop;
          const std::int64_t low = std::max(start, known.begin), high = std::min(start + hop, end);
          kernel_.lift(spectra.y.data() + b * plan.geometry.length + (low - start),
                       static_cast<std::size_t>(high - low), target.base, accumulate, target.out + (low - known.begin));
        }
      }
    }
  }
}

// More letters than a ring holds spectra of: parts of the letters take turns with one workspace.
class TurnsEngine final : public Engine<std::uint8_t> {
 public:
  TurnsEngine(const std::vector<Pattern<std::uint8_t>>& patterns, std::size_t turns, Isa isa)
      : pattern_count_(patterns.size()) {
    std::array<std::size_t, 256> rank{};
    const std::vector<std::uint8_t> letters = distinct_codes(patterns);
    for (std::size_t i = 0; i < letters.size(); ++i) rank[letters[i]] = i;
    for (std::size_t turn = 0; turn < turns; ++turn) {
      std::vector<Pattern<std::uint8_t>> part(patterns.size());
      for (std::size_t p = 0; p < patterns.size(); ++p) {
        part[p].length = patterns[p].length;
        for (std::size_t i = 0; i < patterns[p].codes.size(); ++i) {
          if (rank[patterns[p].codes[i]] % turns != turn) continue;
          part[p].offsets.push_back(patterns[p].offsets[i]);
          part[p].codes.push_back(patterns[p].codes[i]);
        }
      }
      parts_.push_back(std::make_unique<NttEngine>(part, isa));
    }
  }

  std::unique_ptr<Workspace> make_workspace() const override {
    std::size_t slots = 0, ring = 0, y = 0;
    for (const auto& part : parts_) {
      slots = std::max(slots, part->slots());
      ring = std::max(ring, part->ring_size());
      y = std::max(y, part->y_size());
    }
    return std::make_unique<Shared>(slots, ring, y, pattern_count_);
  }

  void count(const std::uint8_t* text, std::size_t size, std::uint64_t position, Span<const Target> targets,
             Workspace& workspace) const override {
    auto& shared = static_cast<Shared&>(workspace);
    std::copy(targets.begin(), targets.end(), shared.targets.begin());
    for (const auto& part : parts_) {
      part->count(text, size, position, {shared.targets.data(), targets.size()}, shared.spectra);
      for (Target& target : shared.targets) target.accumulate = true;
    }
  }

 private:
  struct Shared final : Workspace {
    Shared(std::size_t slots, std::size_t ring, std::size_t y, std::size_t patterns)
        : spectra(slots, ring, y), targets(patterns) {}
    std::size_t nbytes() const noexcept override { return spectra.nbytes() + targets.size() * sizeof(Target); }
    Spectra spectra;
    std::vector<Target> targets;
  };

  std::size_t pattern_count_;
  std::vector<std::unique_ptr<NttEngine>> parts_;
};

}  // namespace

std::unique_ptr<Engine<std::uint8_t>> make_ntt(std::vector<Pattern<std::uint8_t>> patterns, Isa isa) {
  // A ring holds up to 2 (m + 6 N) elements of each letter.
  const std::size_t letters = distinct_codes(patterns).size();
  const std::size_t turns =
      ceil_div(4 * (longest_of(patterns) + 6 * 3 * ntt::power_of_two) * (letters + 1), ring_limit);
  if (turns > 1 && letters > 1) return std::make_unique<TurnsEngine>(patterns, std::min(turns, letters), isa);
  return std::make_unique<NttEngine>(patterns, isa);
}

}  // namespace pyalgo::hamming

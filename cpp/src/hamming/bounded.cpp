#include "bounded.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "pyalgo/bits.hpp"
#include "sample.hpp"

#if defined(PYALGO_X86) && defined(PYALGO_VECTORS)
#include <immintrin.h>
#endif

namespace pyalgo::hamming {
namespace {

// The pattern as verification reads it: a code at every offset, and a bit that says whether it counts.
template <class Code>
struct Dense {
  std::vector<Code> codes;
  std::vector<std::uint64_t> fixed;
  TextWildcard<Code> wildcard;
};

// What a level provides.
constexpr std::size_t depths[] = {0, 2, 4, 8, 16};
constexpr std::size_t gather_slack = 8;                        // places that `gather` writes past the hits
constexpr std::int64_t counter_limit = std::int64_t{1} << 20;  // k must be below

template <class Code>
struct Kernels {
  std::int64_t (*distance)(const Code* text, const Dense<Code>& pattern, std::int64_t k, std::size_t& groups);
  void (*build_mismatches)(const Code* text, std::size_t size, Code letter, const TextWildcard<Code>& wildcard,
                           std::size_t from, std::size_t to, std::uint64_t* const* slot);
  void (*filter[5])(const unsigned char* planes, const std::uint32_t* at, std::size_t n, std::uint64_t k,
                    std::size_t words, unsigned char* dead);
  std::size_t (*gather)(const std::int32_t* distances, std::size_t width, std::int32_t k, std::int64_t position,
                        std::int64_t* positions, std::int32_t* found);
};

// Byte i of entry b is the place of the i-th bit set in b: what moves the lanes that are wanted to the front.
struct Packing {
  std::uint64_t lanes[256];
  constexpr Packing() : lanes() {
    for (unsigned b = 0; b < 256; ++b) {
      unsigned n = 0;
      for (std::uint64_t lane = 0; lane < 8; ++lane)
        if ((b >> lane & 1) != 0) lanes[b] |= lane << (8 * n++);
    }
  }
};
constexpr Packing packing;

namespace generic {
#if defined(PYALGO_VECTORS)
constexpr std::size_t lane_bytes = 16;
#else
constexpr std::size_t lane_bytes = 8;
#endif
#include "planes.inl"
#include "bounded.inl"
}  // namespace generic

#if defined(PYALGO_BEGIN_AVX2)
PYALGO_BEGIN_AVX2
namespace avx2 {
constexpr std::size_t lane_bytes = 32;
#include "planes.inl"
#include "bounded.inl"
}  // namespace avx2
PYALGO_END_TARGET

PYALGO_BEGIN_AVX512
namespace avx512 {
constexpr std::size_t lane_bytes = 64;
#include "planes.inl"
#include "bounded.inl"
}  // namespace avx512
PYALGO_END_TARGET
#endif

template <class Code>
struct Level {
  const Kernels<Code>* kernels;
  std::size_t word_bits;
};

template <class Code>
Level<Code> level_at(Isa isa) {
  static const Level<Code> generic{&generic::kernels<Code>, generic::word_bits};
  Dispatch<const Level<Code>*> table{&generic};
#if defined(PYALGO_BEGIN_AVX2)
  static const Level<Code> avx2{&avx2::kernels<Code>, avx2::word_bits},
      avx512{&avx512::kernels<Code>, avx512::word_bits};
  table.avx2 = &avx2;
  table.avx512 = &avx512;
#endif
  return *table.at(isa);
}

constexpr std::size_t widest = 512;              // bits of the widest Word
constexpr std::size_t plane_budget = 192 << 10;  // bytes of all planes
constexpr std::size_t head = 8192;               // symbols of the text from which the letters' rates are taken
constexpr std::size_t least_piece = 1 << 15, most_piece = 1 << 22;  // alignments counted at a time
constexpr std::size_t probe = 4096;                                 // positions of a stretch's first block

// The planes of a sample: where each lies in the buffer, and what it takes to build and count them.
template <class Code>
struct Layout {
  Sample<Code> sample;
  std::vector<std::array<std::uint32_t, 8>> slot;  // of each letter's copies; 0: none. Plane 0 has no mismatch anywhere
  std::vector<std::uint32_t> at;  // of each place: the byte of the planes where it starts; a multiple of 16
  std::size_t planes = 1;
  std::size_t reach = 0;   // words of 64 positions that the alignments of a block reach past it
  std::size_t block = 0;   // positions
  std::size_t stride = 0;  // bytes of a plane
  double cycles = 0;       // a position, roughly

  explicit Layout(Sample<Code> chosen) : sample(std::move(chosen)) {
    for (const auto& letter : sample.letters) {
      std::array<std::uint32_t, 8> slots{};
      for (std::size_t s = 0; s < 8; ++s)
        if (s == 0 || (letter.copies >> s & 1) != 0) slots[s] = static_cast<std::uint32_t>(planes++);
      slot.push_back(slots);
    }
    // A block is at least as long as what it shares with the next one, and that is moved, not built again.
    reach = ceil_div(sample.reach, 64);
    const std::size_t room = plane_budget * 8 / planes, least = std::max(probe, 64 * reach);
    block = std::clamp<std::size_t>(room < 64 * reach ? 0 : room - 64 * reach, least,
                                    std::max<std::size_t>(least, 1 << 16));
    block = ceil_div(block, widest) * widest;
    stride = (ceil_div(block / 8 + reach * 8 + 8, 64) | 1) * 64;
    for (const auto& place : sample.places)
      at.push_back(static_cast<std::uint32_t>(slot[place.letter][place.offset % 8] * stride + place.offset / 8));
    at.resize(ceil_div(at.size(), 16) * 16, 0);
    const double built = static_cast<double>(sample.letters.size()) * 7 + static_cast<double>(planes) * 5;
    cycles = (built + 1.7 * static_cast<double>(at.size())) / 256;
  }
};

template <class Code>
class Bounded final : public BoundedSearch<Code> {
 public:
  using typename BoundedSearch<Code>::Workspace;

  Bounded(Pattern<Code> pattern, std::int64_t k_planned, TextWildcard<Code> wildcard,
          std::shared_ptr<const Engine<Code>> exact, Isa isa)
      : pattern_(std::move(pattern)), k_planned_(k_planned), exact_(std::move(exact)), level_(level_at<Code>(isa)) {
    dense_.codes.resize(pattern_.length);
    dense_.fixed.resize(ceil_div(pattern_.length, 64));
    dense_.wildcard = wildcard;
    for (std::size_t j = 0; j < pattern_.codes.size(); ++j) {
      const std::uint32_t offset = pattern_.offsets[j];
      dense_.codes[offset] = pattern_.codes[j];
      dense_.fixed[offset / 64] |= std::uint64_t{1} << offset % 64;
    }
    stretch_ = std::clamp<std::size_t>(8 * pattern_.length, 1 << 16, 1 << 20);
    exact_cycles_ = std::min(1 + static_cast<double>(pattern_.codes.size()) / 150, 24.0);
  }

  std::unique_ptr<Workspace> make_workspace() const override {
    auto state = std::make_unique<State>();
    if (exact_ != nullptr) state->exact = exact_->make_workspace();
    return state;
  }

  void search(const Code* text, std::size_t size, std::uint64_t position, std::int64_t k, Hits& hits,
              Workspace& workspace) const override;

 private:
  struct State final : Workspace {
    std::unique_ptr<Layout<Code>> layout;
    std::int64_t k = 0;    // that the sample was chosen for
    std::size_t seen = 0;  // symbols of text that its rates are from
    bool useful = false;   // the sample is expected to beat an exact count
    std::vector<std::uint64_t> planes, alive;
    std::size_t skip = 0;     // stretches still to be counted exactly without trying
    std::size_t backoff = 0;  // how many of them there were last time
    std::unique_ptr<typename Engine<Code>::Workspace> exact;
    std::vector<std::int32_t> distances;
  };

  // One search: the text, and where its hits go.
  struct Job {
    const Code* text;
    std::size_t size;
    std::uint64_t position;
    std::int64_t k;
    Hits& hits;
    std::size_t before;  // hits there were
  };

  void prepare(const Job& job, State& state) const;
  std::size_t filter(const Job& job, std::size_t from, std::size_t width, State& state) const;
  std::size_t fill(const Job& job, std::size_t from, std::size_t width, std::size_t before, State& state) const;
  void verify(const Job& job, std::size_t x, std::size_t& groups) const;
  void count(const Job& job, std::size_t from, std::size_t width, State& state) const;
  void make_room(const Job& job, std::size_t done, std::size_t more) const;
  void gather(const Job& job, std::size_t from, std::size_t width, std::int32_t k, State& state) const;

  Pattern<Code> pattern_;
  std::int64_t k_planned_;
  std::shared_ptr<const Engine<Code>> exact_;
  Level<Code> level_;
  Dense<Code> dense_;
  std::size_t stretch_;  // positions between two decisions; many patterns long: an exact count reads a pattern more
  double exact_cycles_;  // a position, roughly and rather too few
};

template <class Code>
void Bounded<Code>::search(const Code* text, std::size_t size, std::uint64_t position, std::int64_t k, Hits& hits,
                           Workspace& workspace) const {
  if (k < 0 || size < pattern_.length) return;
  auto& state = static_cast<State&>(workspace);
  const Job job{text, size, position, k, hits, hits.size()};
  const std::size_t alignments = size - pattern_.length + 1;
  const bool hopeless = k >= std::min(static_cast<std::int64_t>(pattern_.codes.size()), counter_limit);
  std::size_t groups = 0;
  if (alignments < 64 || (hopeless && exact_ == nullptr)) {
    for (std::size_t x = 0; x < alignments; ++x) verify(job, x, groups);
    return;
  }
  if (!hopeless) prepare(job, state);
  for (std::size_t from = 0; from < alignments; from += stretch_) {
    const std::size_t width = std::min(stretch_, alignments - from);
    if (exact_ != nullptr && (hopeless || !state.useful || state.skip > 0)) {
      if (state.skip > 0) --state.skip;
      count(job, from, width, state);
      continue;
    }
    const std::size_t done = filter(job, from, width, state);
    state.backoff = done == width ? 0 : std::clamp<std::size_t>(2 * state.backoff, 1, 16);
    state.skip = state.backoff;
    if (done < width) count(job, from + done, width - done, state);
  }
}

// Chooses the sample at the first search, and again when much more text is there to judge by or k has changed much.
template <class Code>
void Bounded<Code>::prepare(const Job& job, State& state) const {
  const std::size_t seen = std::min(job.size, head);
  const std::int64_t k = state.layout == nullptr ? std::max(job.k, k_planned_) : job.k;
  if (state.layout != nullptr && job.k <= state.k && 2 * job.k + 16 >= state.k && seen < 4 * state.seen) return;
  Rates<Code> rates = letter_rates(pattern_, job.text, seen);
  if (dense_.wildcard.present) {
    const auto wild = static_cast<double>(std::count(job.text, job.text + seen, dense_.wildcard.code));
    for (double& rate : rates.rate) rate = std::min(1.0, rate + wild / static_cast<double>(seen));
  }
  state.layout = std::make_unique<Layout<Code>>(choose_sample(pattern_, rates, k));
  state.k = k;
  state.seen = seen;
  const Layout<Code>& layout = *state.layout;
  state.useful = layout.sample.rejects && layout.cycles < exact_cycles_;
  state.planes.assign(layout.planes * layout.stride / 8 + widest / 64, 0);
  state.alive.resize(layout.block / 64);
}

// Searches the alignments [from, from + width) until too many pass the filter; returns how many are done.
template <class Code>
std::size_t Bounded<Code>::filter(const Job& job, std::size_t from, std::size_t width, State& state) const {
  const Layout<Code>& layout = *state.layout;
  double spent = 0;  // cycles of verification
  for (std::size_t x = 0, before = 0, here = 0; x < width; x += here, before = here) {
    here = std::min(x == 0 ? probe : layout.block, width - x);
    const std::size_t survivors = fill(job, from + x, here, before, state);
    const double budget = exact_ == nullptr ? 1e300 : 0.5 * exact_cycles_ * static_cast<double>(x + here);
    if (exact_ != nullptr && (survivors > here / 16 || spent + 20 * static_cast<double>(survivors) > budget)) return x;
    for (std::size_t w = 0; w < ceil_div(here, 64); ++w) {
      for (std::uint64_t alive = state.alive[w]; alive != 0; alive &= alive - 1) {
        const std::size_t at = 64 * w + generic::lowest(alive);
        if (spent > budget) return x + at;
        std::size_t groups = 0;
        verify(job, from + x + at, groups);
        spent += 20 + 4 * static_cast<double>(groups);
      }
    }
  }
  return width;
}

// Filters one block; `before` is the width of the one just before it, 0 if there is none. Leaves the survivors in
// state.alive.
template <class Code>
std::size_t Bounded<Code>::fill(const Job& job, std::size_t from, std::size_t width, std::size_t before,
                                State& state) const {
  const Layout<Code>& layout = *state.layout;
  const std::size_t words = layout.stride / 8, to = ceil_div(width, 64) + layout.reach;
  for (std::size_t i = 0; i < layout.slot.size(); ++i) {
    std::uint64_t* slot[8];
    for (std::size_t s = 0; s < 8; ++s) {
      slot[s] = layout.slot[i][s] == 0 ? nullptr : state.planes.data() + layout.slot[i][s] * words;
      if (slot[s] != nullptr && before > 0) std::memmove(slot[s], slot[s] + before / 64, (layout.reach + 1) * 8);
    }
    level_.kernels->build_mismatches(job.text + from, job.size - from, layout.sample.letters[i].code, dense_.wildcard,
                                     before > 0 ? layout.reach : 0, to, slot);
  }
  std::size_t depth = 0;
  while (depths[depth] + 4 < bit_width(static_cast<std::uint64_t>(job.k))) ++depth;
  level_.kernels->filter[depth](reinterpret_cast<const unsigned char*>(state.planes.data()), layout.at.data(),
                                layout.at.size(), static_cast<std::uint64_t>(job.k), ceil_div(width, level_.word_bits),
                                reinterpret_cast<unsigned char*>(state.alive.data()));
  std::size_t survivors = 0;
  for (std::size_t w = 0; w < ceil_div(width, 64); ++w) {
    const std::uint64_t inside = width - 64 * w < 64 ? (std::uint64_t{1} << (width - 64 * w)) - 1 : ~std::uint64_t{0};
    state.alive[w] = ~state.alive[w] & inside;
    survivors += popcount(state.alive[w]);
  }
  return survivors;
}

// One alignment, symbol by symbol.
template <class Code>
void Bounded<Code>::verify(const Job& job, std::size_t x, std::size_t& groups) const {
  const std::int64_t d = level_.kernels->distance(job.text + x, dense_, job.k, groups);
  if (d <= job.k) job.hits.push_back(static_cast<std::int64_t>(job.position + x), static_cast<std::int32_t>(d));
}

// The alignments [from, from + width) by the exact engine, in pieces whose distances stay in cache.
template <class Code>
void Bounded<Code>::count(const Job& job, std::size_t from, std::size_t width, State& state) const {
  const std::size_t piece = std::clamp<std::size_t>(16 * pattern_.length, least_piece, most_piece);
  const auto k = static_cast<std::int32_t>(std::min<std::int64_t>(job.k, std::numeric_limits<std::int32_t>::max()));
  for (const std::size_t end = from + width; from < end;) {
    // No short one at the end.
    const std::size_t left = end - from, here = left < 2 * piece ? left : piece;
    if (state.distances.size() < here) state.distances.resize(here);
    const Target target{state.distances.data(), here, false, static_cast<std::int32_t>(pattern_.codes.size())};
    exact_->count(job.text + from, here + pattern_.length - 1, job.position + from, {&target, 1}, *state.exact);
    gather(job, from, here, k, state);
    from += here;
  }
}

// Room for `more` hits, and for as many as are still to come if they are as frequent as among the alignments so far: it
// is costly to move many of them several times.
template <class Code>
void Bounded<Code>::make_room(const Job& job, std::size_t done, std::size_t more) const {
  Hits& hits = job.hits;
  const std::size_t needed = hits.size() + more;
  if (needed <= hits.positions.capacity() && needed <= hits.distances.capacity()) return;
  const double rate = static_cast<double>(needed - job.before) / static_cast<double>(done);
  const auto left = static_cast<double>(job.size - pattern_.length + 1 - done);
  hits.reserve(std::max(needed + static_cast<std::size_t>(1.1 * rate * left) + 64, hits.size() + hits.size() / 2));
}

// The hits among state.distances, which are those of the alignments [from, from + width).
template <class Code>
void Bounded<Code>::gather(const Job& job, std::size_t from, std::size_t width, std::int32_t k, State& state) const {
  constexpr std::size_t part = 1024;
  std::int64_t positions[part + gather_slack];
  std::int32_t distances[part + gather_slack];
  for (std::size_t x = 0; x < width; x += part) {
    const std::size_t found =
        level_.kernels->gather(state.distances.data() + x, std::min(part, width - x), k,
                               static_cast<std::int64_t>(job.position + from + x), positions, distances);
    if (found == 0) continue;
    make_room(job, from + x + std::min(part, width - x), found);
    job.hits.append(positions, distances, found);
  }
}

}  // namespace

template <class Code>
std::unique_ptr<BoundedSearch<Code>> make_bounded(Pattern<Code> pattern, std::int64_t k_planned,
                                                  TextWildcard<Code> wildcard,
                                                  std::shared_ptr<const Engine<Code>> exact, Isa isa) {
  return std::make_unique<Bounded<Code>>(std::move(pattern), k_planned, wildcard, std::move(exact), isa);
}

template std::unique_ptr<BoundedSearch<std::uint8_t>> make_bounded(Pattern<std::uint8_t>, std::int64_t,
                                                                   TextWildcard<std::uint8_t>,
                                                                   std::shared_ptr<const Engine<std::uint8_t>>, Isa);
template std::unique_ptr<BoundedSearch<std::uint16_t>> make_bounded(Pattern<std::uint16_t>, std::int64_t,
                                                                    TextWildcard<std::uint16_t>,
                                                                    std::shared_ptr<const Engine<std::uint16_t>>, Isa);
template std::unique_ptr<BoundedSearch<std::uint32_t>> make_bounded(Pattern<std::uint32_t>, std::int64_t,
                                                                    TextWildcard<std::uint32_t>,
                                                                    std::shared_ptr<const Engine<std::uint32_t>>, Isa);

}  // namespace pyalgo::hamming

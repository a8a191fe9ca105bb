#include "bitslice.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "pyalgo/bits.hpp"

#if defined(PYALGO_X86) && defined(PYALGO_VECTORS)
#include <immintrin.h>
#endif

namespace pyalgo::hamming {
namespace {

// What a level provides; counters of 4 + 4, 6, 8 and 12 bits.
constexpr std::size_t depths[] = {4, 6, 8, 12};
constexpr std::size_t most_symbols = 65520;  // that a counter of 16 bits holds, in whole trees of 16

struct Kernels {
  void (*build_letter)(const std::uint8_t* text, std::size_t size, std::uint8_t letter, std::size_t words,
                       std::uint64_t* const* slot);
  void (*add_symbols[4])(const unsigned char* planes, const std::uint32_t* at, std::size_t n, bool clear,
                         std::size_t words, unsigned char* counters);
  void (*emit_counts[4])(const unsigned char* counters, bool accumulate, std::int32_t base, std::size_t count,
                         std::int32_t* out);
};

namespace generic {
#if defined(PYALGO_VECTORS)
constexpr std::size_t lane_bytes = 16;
#else
constexpr std::size_t lane_bytes = 8;
#endif
#include "planes.inl"
#include "bitslice.inl"
}  // namespace generic

#if defined(PYALGO_BEGIN_AVX2)
PYALGO_BEGIN_AVX2
namespace avx2 {
constexpr std::size_t lane_bytes = 32;
#include "planes.inl"
#include "bitslice.inl"
}  // namespace avx2
PYALGO_END_TARGET

PYALGO_BEGIN_AVX512
namespace avx512 {
constexpr std::size_t lane_bytes = 64;
#include "planes.inl"
#include "bitslice.inl"
}  // namespace avx512
PYALGO_END_TARGET
#endif

struct Level {
  const Kernels* kernels;
  std::size_t word_bits;
};

Level level_at(Isa isa) {
  static const Level generic{&generic::kernels, generic::word_bits};
  Dispatch<const Level*> table{&generic};
#if defined(PYALGO_BEGIN_AVX2)
  static const Level avx2{&avx2::kernels, avx2::word_bits}, avx512{&avx512::kernels, avx512::word_bits};
  table.avx2 = &avx2;
  table.avx512 = &avx512;
#endif
  return *table.at(isa);
}

constexpr std::size_t widest = 512;              // bits of the widest Word
constexpr std::size_t plane_budget = 192 << 10;  // bytes of the planes of a batch: they stay in the second-level cache
constexpr std::size_t counter_budget = 1 << 18;  // bytes of all patterns' counters, where they are kept side by side

// Blocks of text; in a block, batches of letters whose planes fit the cache together. For each letter there are up to
// eight planes: the copies moved by 0..7 positions, as far as some symbol of a pattern needs them. A symbol at offset
// j then is the Word at byte j / 8 of its letter's copy j % 8. Plane 0 has no match: it fills lists of symbols up to
// whole trees of adders.
class Bitslice final : public Engine<std::uint8_t> {
 public:
  Bitslice(const std::vector<Pattern<std::uint8_t>>& patterns, Isa isa);

  std::unique_ptr<Workspace> make_workspace() const override;
  void count(const std::uint8_t* text, std::size_t size, std::uint64_t, Span<const Target> targets,
             Workspace& workspace) const override;

 private:
  struct Buffers final : Workspace {
    std::size_t nbytes() const noexcept override {
      return (planes.capacity() + counters.capacity()) * sizeof(std::uint64_t) + pending.capacity() * sizeof(Pending);
    }
    struct Pending {
      std::size_t symbols = 0;  // in the counters, not yet emitted
      bool accumulate = false;  // something has been emitted for this block
    };
    std::vector<std::uint64_t> planes, counters;
    std::vector<Pending> pending;
  };

  struct Letter {
    std::uint8_t code;
    std::array<std::uint16_t, 8> slot;  // plane of the copy moved by s; 0: not needed
  };
  struct Symbols {
    std::size_t pattern;
    std::vector<std::uint32_t> at;  // a multiple of 16, at most most_symbols
  };
  struct Batch {
    std::vector<Letter> letters;
    std::vector<Symbols> symbols;
  };

  void add_batch(const std::vector<Pattern<std::uint8_t>>& patterns, Batch batch);
  void emit(const Target& target, std::size_t pattern, std::size_t from, const unsigned char* counters,
            Buffers::Pending& pending) const;

  Level level_;
  std::vector<Batch> batches_;
  std::vector<std::size_t> depth_;  // of each pattern's counters: an index of `depths`
  std::size_t planes_ = 2;  // of the largest batch; plane 1 is where a letter's own is built if no symbol needs it
  std::size_t block_ = 32 * widest;  // positions
  std::size_t reach_;                // words of 64 positions that the alignments of a block reach past it
  std::size_t stride_;               // bytes of a plane: block_ / 8, reach_ words, one more
};

Bitslice::Bitslice(const std::vector<Pattern<std::uint8_t>>& patterns, Isa isa) : level_(level_at(isa)) {
  std::array<std::array<bool, 8>, 256> needed{};
  std::size_t longest = 1;
  for (const auto& pattern : patterns) {
    longest = std::max(longest, pattern.length);
    const std::size_t symbols = std::min(pattern.codes.size() + 15, most_symbols);
    depth_.push_back(symbols < 256 ? 0 : symbols < 1024 ? 1 : symbols < 4096 ? 2 : 3);
    for (std::size_t j = 0; j < pattern.codes.size(); ++j) needed[pattern.codes[j]][pattern.offsets[j] % 8] = true;
  }
  const auto slots_of = [&](std::size_t c) {
    return static_cast<std::size_t>(std::count(needed[c].begin(), needed[c].end(), true));
  };
  std::size_t slots = 0;
  for (std::size_t c = 0; c < 256; ++c) slots += slots_of(c);

  reach_ = ceil_div(longest, 64);
  // An odd number of cache lines, so that one place of all planes does not fall into one set of the cache.
  const auto stride_for = [&](std::size_t block) { return (ceil_div(block / 8 + reach_ * 8 + 8, 64) | 1) * 64; };
  if (slots * stride_for(block_) > plane_budget) {
    while (block_ > 4 * widest && patterns.size() * 2 * block_ > counter_budget) block_ /= 2;
  }
  stride_ = stride_for(block_);

  Batch batch;
  std::size_t planes = 2;
  for (std::size_t c = 0; c < 256; ++c) {
    const std::size_t more = slots_of(c);
    if (more == 0) continue;
    if (!batch.letters.empty() && (planes + more) * stride_ > plane_budget) {
      add_batch(patterns, std::move(batch));
      batch = Batch();
      planes = 2;
    }
    Letter letter{static_cast<std::uint8_t>(c), {}};
    for (std::size_t s = 0; s < 8; ++s)
      if (needed[c][s]) letter.slot[s] = static_cast<std::uint16_t>(planes++);
    batch.letters.push_back(letter);
    planes_ = std::max(planes_, planes);
  }
  add_batch(patterns, std::move(batch));
}

void Bitslice::add_batch(const std::vector<Pattern<std::uint8_t>>& patterns, Batch batch) {
  std::array<const Letter*, 256> letter_of{};
  for (const Letter& letter : batch.letters) letter_of[letter.code] = &letter;
  for (std::size_t p = 0; p < patterns.size(); ++p) {
    std::vector<std::uint32_t> at;
    const auto close = [&] {
      at.resize(ceil_div(at.size(), 16) * 16, 0);
      if (!at.empty()) batch.symbols.push_back({p, std::move(at)});
      at.clear();
    };
    for (std::size_t j = 0; j < patterns[p].codes.size(); ++j) {
      const Letter* letter = letter_of[patterns[p].codes[j]];
      const std::uint32_t offset = patterns[p].offsets[j];
      if (letter != nullptr) at.push_back(static_cast<std::uint32_t>(letter->slot[offset % 8] * stride_ + offset / 8));
      if (at.size() == most_symbols) close();
    }
    close();
  }
  batches_.push_back(std::move(batch));
}

std::unique_ptr<Engine<std::uint8_t>::Workspace> Bitslice::make_workspace() const {
  auto buffers = std::make_unique<Buffers>();
  const std::size_t kept = batches_.size() > 1 ? depth_.size() : 1;  // a single batch leaves no pattern half counted
  buffers->planes.resize(planes_ * stride_ / 8);
  buffers->counters.resize(kept * block_ / 64 * 16);
  buffers->pending.resize(depth_.size());
  return buffers;
}

void Bitslice::emit(const Target& target, std::size_t pattern, std::size_t from, const unsigned char* counters,
                    Buffers::Pending& pending) const {
  const std::size_t count = std::min(block_, target.count - from);
  if (pending.symbols > 0) {
    level_.kernels->emit_counts[depth_[pattern]](counters, pending.accumulate, target.base, count, target.out + from);
  } else if (!pending.accumulate) {
    std::fill_n(target.out + from, count, target.base);
  }
  pending = {0, true};
}

void Bitslice::count(const std::uint8_t* text, std::size_t size, std::uint64_t, Span<const Target> targets,
                     Workspace& workspace) const {
  auto& buffers = static_cast<Buffers&>(workspace);
  const Kernels& kernels = *level_.kernels;
  const std::size_t counter_stride = batches_.size() > 1 ? block_ * 2 : 0;  // 16 bits a position
  const auto counters_of = [&](std::size_t p) {
    return reinterpret_cast<unsigned char*>(buffers.counters.data()) + p * counter_stride;
  };
  std::size_t all = 0;
  for (const Target& target : targets) all = std::max(all, target.count);

  for (std::size_t from = 0; from < all; from += block_) {
    for (std::size_t p = 0; p < targets.size(); ++p) buffers.pending[p] = {0, targets[p].accumulate};
    const std::size_t width = std::min(block_, all - from);
    // A Word may reach past the positions asked for; what it finds there is never emitted.
    const std::size_t words = ceil_div(width, 64) + reach_;
    for (const Batch& batch : batches_) {
      for (const Letter& letter : batch.letters) {
        std::uint64_t* slot[8];
        for (std::size_t s = 0; s < 8; ++s)
          slot[s] = letter.slot[s] == 0 ? nullptr : buffers.planes.data() + letter.slot[s] * (stride_ / 8);
        if (slot[0] == nullptr) slot[0] = buffers.planes.data() + stride_ / 8;
        kernels.build_letter(text + from, size - from, letter.code, words, slot);
      }
      for (const Symbols& symbols : batch.symbols) {
        const std::size_t p = symbols.pattern;
        if (targets[p].count <= from) continue;
        Buffers::Pending& pending = buffers.pending[p];
        const std::size_t here = std::min(width, targets[p].count - from);
        if (pending.symbols + symbols.at.size() > most_symbols) emit(targets[p], p, from, counters_of(p), pending);
        kernels.add_symbols[depth_[p]](reinterpret_cast<const unsigned char*>(buffers.planes.data()), symbols.at.data(),
                                       symbols.at.size(), pending.symbols == 0, ceil_div(here, level_.word_bits),
                                       counters_of(p));
        pending.symbols += symbols.at.size();
        if (batches_.size() == 1) emit(targets[p], p, from, counters_of(p), pending);
      }
    }
    for (std::size_t p = 0; p < targets.size(); ++p) {
      const bool nothing = buffers.pending[p].symbols == 0 && buffers.pending[p].accumulate;
      if (targets[p].count > from && !nothing) emit(targets[p], p, from, counters_of(p), buffers.pending[p]);
    }
  }
}

}  // namespace

std::unique_ptr<Engine<std::uint8_t>> make_bitslice(std::vector<Pattern<std::uint8_t>> patterns, Isa isa) {
  return std::make_unique<Bitslice>(patterns, isa);
}

}  // namespace pyalgo::hamming

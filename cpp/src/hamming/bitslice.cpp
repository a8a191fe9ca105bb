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

struct Kernels {
  decltype(&generic::build_letter) build_letter;
  decltype(&generic::count_planes) count_planes;
};

const Kernels& kernels_at(Isa isa) {
  static const Kernels generic{generic::build_letter, generic::count_planes};
  Dispatch<const Kernels*> table{&generic};
#if defined(PYALGO_BEGIN_AVX2)
  static const Kernels avx2{avx2::build_letter, avx2::count_planes};
  static const Kernels avx512{avx512::build_letter, avx512::count_planes};
  table.avx2 = &avx2;
  table.avx512 = &avx512;
#endif
  return *table.at(isa);
}

constexpr std::size_t widest = 512;             // bits of the widest Word
constexpr std::size_t plane_budget = 192 << 10;  // bytes of all planes: they are to stay in the second-level cache

// The planes of a block of text, plane after plane: for each letter that a pattern has, the plane itself and those of its
// seven copies, moved by 1..7 positions, that some symbol of a pattern needs. A symbol at offset j then is the Word at byte
// j / 8 of its letter's copy j % 8. Plane 0 has no match anywhere: it fills patterns up to whole trees of adders.
class Bitslice final : public Engine<std::uint8_t> {
 public:
  Bitslice(std::vector<Pattern<std::uint8_t>> patterns, Isa isa);

  std::unique_ptr<Workspace> make_workspace() const override {
    return std::make_unique<Planes>(planes_ * stride_ / sizeof(std::uint64_t));
  }

  void count(const std::uint8_t* text, std::size_t size, std::uint64_t, Span<const Target> targets,
             Workspace& workspace) const override;

 private:
  struct Planes final : Workspace {
    explicit Planes(std::size_t words) : bits(words) {}
    std::size_t nbytes() const noexcept override { return bits.capacity() * sizeof(std::uint64_t); }
    std::vector<std::uint64_t> bits;
  };

  struct Letter {
    std::uint8_t code;
    std::array<std::uint32_t, 8> plane;  // of the copy moved by s; 0 if no symbol needs it
  };

  void build(const std::uint8_t* text, std::size_t size, std::size_t from, std::size_t to, std::uint64_t* bits) const;

  const Kernels& kernels_;
  std::vector<Letter> letters_;
  std::vector<std::vector<std::uint32_t>> at_;  // of each pattern: the byte of the planes at which its symbols start
  std::size_t planes_ = 1;
  std::size_t keep_ = 0;    // positions that a block shares with the next: the longest pattern's, in whole words
  std::size_t block_ = 0;   // positions of a block, a multiple of the widest Word's
  std::size_t stride_ = 0;  // bytes of a plane
};

Bitslice::Bitslice(std::vector<Pattern<std::uint8_t>> patterns, Isa isa) : kernels_(kernels_at(isa)) {
  std::array<std::array<std::uint32_t, 8>, 256> plane{};
  std::array<bool, 256> occurs{};
  std::size_t longest = 1;
  for (const auto& pattern : patterns) {
    longest = std::max(longest, pattern.length);
    for (std::size_t j = 0; j < pattern.codes.size(); ++j) {
      occurs[pattern.codes[j]] = true;
      plane[pattern.codes[j]][pattern.offsets[j] % 8] = 1;
    }
  }
  for (std::size_t c = 0; c < 256; ++c) {
    if (!occurs[c]) continue;
    plane[c][0] = 1;  // the others are made from it
    for (std::uint32_t& p : plane[c])
      if (p != 0) p = static_cast<std::uint32_t>(planes_++);
    letters_.push_back({static_cast<std::uint8_t>(c), plane[c]});
  }

  keep_ = ceil_div(longest, 64) * 64;
  const std::size_t room = plane_budget * 8 / planes_;
  block_ = std::clamp<std::size_t>(room < keep_ ? 0 : (room - keep_) / widest * widest, 4 * widest, 32 * widest);
  // An odd number of cache lines, so that one place of all planes does not fall into one set of the cache; a Word more, since
  // the last one of a block may start at any byte.
  stride_ = (ceil_div(block_ + keep_ + widest, 512) | 1) * 64 + 64 * 2;

  for (const auto& pattern : patterns) {
    std::vector<std::uint32_t> at(ceil_div(pattern.codes.size(), 16) * 16, 0);
    for (std::size_t j = 0; j < pattern.codes.size(); ++j) {
      const std::uint32_t offset = pattern.offsets[j];
      at[j] = static_cast<std::uint32_t>(plane[pattern.codes[j]][offset % 8] * stride_ + offset / 8);
    }
    at_.push_back(std::move(at));
  }
}

void Bitslice::build(const std::uint8_t* text, std::size_t size, std::size_t from, std::size_t to, std::uint64_t* bits) const {
  const std::size_t words = stride_ / sizeof(std::uint64_t);
  for (const Letter& letter : letters_) {
    std::uint64_t* slot[8];
    for (std::size_t s = 0; s < 8; ++s) slot[s] = letter.plane[s] == 0 ? nullptr : bits + letter.plane[s] * words;
    kernels_.build_letter(text, size, letter.code, from, to, slot);
  }
}

void Bitslice::count(const std::uint8_t* text, std::size_t size, std::uint64_t, Span<const Target> targets,
                     Workspace& workspace) const {
  std::uint64_t* bits = static_cast<Planes&>(workspace).bits.data();
  const std::size_t words = stride_ / sizeof(std::uint64_t), kept = keep_ / 64;
  std::size_t all = 0;
  for (const Target& target : targets) all = std::max(all, target.count);
  for (std::size_t from = 0; from < all; from += block_) {
    const std::size_t width = std::min(block_, all - from), to = ceil_div(width, 64) + kept;
    if (from > 0) {  // the end of the last block is the beginning of this one
      for (std::size_t p = 1; p < planes_; ++p)
        std::memmove(bits + p * words, bits + p * words + block_ / 64, (kept + 1) * sizeof(std::uint64_t));
    }
    build(text + from, size - from, from == 0 ? 0 : kept, to, bits);
    for (std::size_t p = 0; p < at_.size(); ++p) {
      if (targets[p].count <= from) continue;
      kernels_.count_planes(reinterpret_cast<const unsigned char*>(bits), at_[p].data(), at_[p].size(), targets[p], from,
                            std::min(width, targets[p].count - from));
    }
  }
}

}  // namespace

std::unique_ptr<Engine<std::uint8_t>> make_bitslice(std::vector<Pattern<std::uint8_t>> patterns, Isa isa) {
  return std::make_unique<Bitslice>(std::move(patterns), isa);
}

}  // namespace pyalgo::hamming

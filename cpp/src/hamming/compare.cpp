#include "compare.hpp"

#include <cstring>
#include <limits>
#include <utility>

namespace pyalgo::hamming {
namespace {

#if defined(PYALGO_VECTORS)
namespace generic {
constexpr std::size_t lane_bytes = 16;
#include "compare.inl"
}  // namespace generic
#else
namespace generic {

template <class Code>
std::size_t mismatches(const Code* text, const Code* pattern, const Code* fixed, std::size_t length) noexcept {
  std::size_t result = 0;
  for (std::size_t x = 0; x < length; ++x) result += text[x] != pattern[x] && (fixed == nullptr || fixed[x] != 0);
  return result;
}

template <class Code>
void count(const Code* text, const Pattern<Code>& pattern, const Target& target) noexcept {
  constexpr std::size_t block = 1024;
  for (std::size_t from = 0; from < target.count; from += block) {
    const std::size_t width = target.count - from < block ? target.count - from : block;
    std::int32_t matches[block] = {};
    for (std::size_t j = 0; j < pattern.codes.size(); ++j) {
      const Code* at = text + from + pattern.offsets[j];
      for (std::size_t x = 0; x < width; ++x) matches[x] += at[x] == pattern.codes[j];
    }
    std::int32_t* out = target.out + from;
    for (std::size_t x = 0; x < width; ++x) out[x] = (target.accumulate ? out[x] : target.base) - matches[x];
  }
}

}  // namespace generic
#endif

// There is no AVX-512 form: its comparisons give masks, and adding those up is slower than subtracting whole lanes.
#if defined(PYALGO_BEGIN_AVX2)
PYALGO_BEGIN_AVX2
namespace avx2 {
constexpr std::size_t lane_bytes = 32;
#include "compare.inl"
}  // namespace avx2
PYALGO_END_TARGET
#endif

template <class Code>
using Count = void (*)(const Code*, const Pattern<Code>&, const Target&);

template <class Code>
Dispatch<Count<Code>> counts() {
  Dispatch<Count<Code>> table{generic::count<Code>};
#if defined(PYALGO_BEGIN_AVX2)
  table.avx2 = avx2::count<Code>;
#endif
  return table;
}

template <class Code>
class Compare final : public Engine<Code> {
 public:
  using typename Engine<Code>::Workspace;

  Compare(std::vector<Pattern<Code>> patterns, Isa isa)
      : patterns_(std::move(patterns)), count_(counts<Code>().at(isa)) {}

  std::unique_ptr<Workspace> make_workspace() const override { return std::make_unique<Nothing>(); }

  void count(const Code* text, std::size_t, std::uint64_t, Span<const Target> targets, Workspace&) const override {
    for (std::size_t p = 0; p < patterns_.size(); ++p) count_(text, patterns_[p], targets[p]);
  }

 private:
  struct Nothing final : Workspace {
    std::size_t nbytes() const noexcept override { return 0; }
  };

  std::vector<Pattern<Code>> patterns_;
  Count<Code> count_;
};

}  // namespace

template <class Code>
std::unique_ptr<Engine<Code>> make_compare(std::vector<Pattern<Code>> patterns, Isa isa) {
  return std::make_unique<Compare<Code>>(std::move(patterns), isa);
}

template <class Code>
CompareOne<Code> compare_one(Isa isa) {
  Dispatch<CompareOne<Code>> table{generic::mismatches<Code>};
#if defined(PYALGO_BEGIN_AVX2)
  table.avx2 = avx2::mismatches<Code>;
#endif
  return table.at(isa);
}

template std::unique_ptr<Engine<std::uint8_t>> make_compare(std::vector<Pattern<std::uint8_t>>, Isa);
template std::unique_ptr<Engine<std::uint16_t>> make_compare(std::vector<Pattern<std::uint16_t>>, Isa);
template std::unique_ptr<Engine<std::uint32_t>> make_compare(std::vector<Pattern<std::uint32_t>>, Isa);
template CompareOne<std::uint8_t> compare_one(Isa);
template CompareOne<std::uint16_t> compare_one(Isa);
template CompareOne<std::uint32_t> compare_one(Isa);

}  // namespace pyalgo::hamming

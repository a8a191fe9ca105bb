#include "split.hpp"

#include <algorithm>
#include <array>

#include "bitslice.hpp"
#include "grouped.hpp"
#include "letter_index.hpp"
#include "ntt.hpp"
#include "scatter.hpp"

namespace pyalgo::hamming {

namespace {

enum Tier : std::size_t { transform, slices, scatter, tiers };

// What a letter of `count` places costs in each tier, in ns per symbol of text, and what a tier costs before its first
// letter.
struct Costs {
  double letter[tiers];
  double base[tiers];
};

// AVX2 and generic: fitted on one core of a Zen 3 to the engines themselves, uniform letters, lengths 1024 to 65536.
// AVX-512: the spec's figures.
Costs costs_of(double count, double density, std::size_t length, Isa isa) noexcept {
  const bool wide = isa == Isa::avx512, vectors = wide || isa == Isa::avx2;
  const double alpha = wide ? 0.4 : vectors ? 0.63 : 1.2;  // ns per element transformed
  const double rate = wide ? 400 : vectors ? 250 : 65;     // compared places per ns
  const double m = static_cast<double>(length);
  const double ratio = length <= 2304 ? 4096 / (4097 - m) : 2;        // elements transformed per symbol, N / V
  const double products = 0.4 * alpha * std::max(0.0, m / 2048 - 2);  // of the segments' spectra
  const double planes = (wide ? 0.05 : 0.15) * (1 + m / 16384);       // of a block of 16384 symbols and what follows it
  Costs costs;
  costs.letter[transform] = 1.2 * ratio * alpha + products;
  costs.letter[slices] = count / rate + planes;
  costs.letter[scatter] = scatter_cost(count, density);
  costs.base[transform] = 1.2 * ratio * alpha * std::max(1.0, m / 12288);  // the inverse, one for each group of places
  costs.base[slices] = 0.5;
  costs.base[scatter] = 3;
  return costs;
}

template <class Code>
double density_of(const std::vector<double>& density, Code code) noexcept {
  return code < density.size() ? density[code] : 0;
}

// Every letter by its cheapest tier, and that for the cheapest choice of tiers to have at all.
struct Choice {
  std::vector<Tier> tier;  // of each letter
  double ns;               // per symbol of text
};
template <class Code>
Choice choose_tiers(const std::vector<Code>& letters, const std::vector<std::uint32_t>& counts, std::size_t length,
                    const std::vector<double>& density, Isa isa) {
  constexpr std::size_t choices = std::size_t{1} << tiers;
  std::array<double, choices> sums{};
  const auto cheapest = [](const Costs& costs, std::size_t choice) {
    Tier best = tiers;
    for (std::size_t t = 0; t < tiers; ++t)
      if ((choice >> t & 1) != 0 && (best == tiers || costs.letter[t] < costs.letter[best]))
        best = static_cast<Tier>(t);
    return best;
  };
  const auto costs = [&](std::size_t l) { return costs_of(counts[l], density_of(density, letters[l]), length, isa); };
  for (std::size_t choice = 1; choice < choices; ++choice)
    for (std::size_t t = 0; t < tiers; ++t)
      if ((choice >> t & 1) != 0) sums[choice] += costs_of(0, 0, length, isa).base[t];
  for (std::size_t l = 0; l < letters.size(); ++l) {
    const Costs each = costs(l);
    for (std::size_t choice = 1; choice < choices; ++choice) sums[choice] += each.letter[cheapest(each, choice)];
  }
  const auto choice = static_cast<std::size_t>(std::min_element(sums.begin() + 1, sums.end()) - sums.begin());
  Choice chosen{std::vector<Tier>(letters.size()), sums[choice]};
  for (std::size_t l = 0; l < letters.size(); ++l) chosen.tier[l] = cheapest(costs(l), choice);
  return chosen;
}

template <class Code>
class Split final : public Engine<Code> {
 public:
  Split(const std::vector<Pattern<Code>>& patterns, const std::vector<double>& density, Isa isa);

  std::unique_ptr<typename Engine<Code>::Workspace> make_workspace() const override {
    auto buffers = std::make_unique<Buffers>();
    for (const auto& engine : engines_) buffers->engines.push_back(engine->make_workspace());
    buffers->targets.resize(n_patterns_);
    buffers->scatter = scatter_->make_workspace();
    return buffers;
  }

  void count(const Code* text, std::size_t size, std::uint64_t position, Span<const Target> targets,
             typename Engine<Code>::Workspace& workspace) const override {
    auto& buffers = static_cast<Buffers&>(workspace);
    for (std::size_t e = 0; e < engines_.size(); ++e) {
      for (std::size_t p = 0; p < n_patterns_; ++p) {
        buffers.targets[p] = targets[p];
        buffers.targets[p].accumulate |= e > 0;
      }
      engines_[e]->count(text, size, position, buffers.targets, *buffers.engines[e]);
    }
    if (engines_.empty())
      for (const Target& target : targets)
        if (!target.accumulate) std::fill_n(target.out, target.count, target.base);
    scatter_->subtract(text, size, targets, buffers.scatter);
  }

 private:
  struct Buffers final : Engine<Code>::Workspace {
    std::vector<std::unique_ptr<typename Engine<Code>::Workspace>> engines;
    std::vector<Target> targets;
    typename Scatter<Code>::Workspace scatter;

    std::size_t nbytes() const noexcept override {
      std::size_t sum = targets.capacity() * sizeof(Target) + scatter.nbytes();
      for (const auto& engine : engines) sum += engine->nbytes();
      return sum;
    }
  };

  std::size_t n_patterns_;
  std::vector<std::unique_ptr<Engine<Code>>> engines_;  // of the tiers that have letters
  std::unique_ptr<Scatter<Code>> scatter_;
};

template <class Code>
Split<Code>::Split(const std::vector<Pattern<Code>>& patterns, const std::vector<double>& density, Isa isa)
    : n_patterns_(patterns.size()) {
  const std::vector<Code> letters = letters_of<Code>(patterns);
  const LetterIndex<Code> index(letters);
  std::vector<std::uint32_t> counts(letters.size());
  std::size_t longest = 0;
  for (const Pattern<Code>& pattern : patterns) {
    for (const Code code : pattern.codes) ++counts[index.find(code)];
    longest = std::max(longest, pattern.length);
  }
  const std::vector<Tier> chosen = choose_tiers(letters, counts, longest, density, isa).tier;
  const auto of_tier = [&](Tier tier) {
    return restrict_to(patterns, index, [&](std::uint32_t letter) { return chosen[letter] == tier; });
  };
  const auto has = [&](Tier tier) { return std::find(chosen.begin(), chosen.end(), tier) != chosen.end(); };
  if (has(transform))
    engines_.push_back(
        make_grouped<Code>(of_tier(transform), [isa](auto some) { return make_ntt(std::move(some), isa); }));
  if (has(slices))
    engines_.push_back(
        make_grouped<Code>(of_tier(slices), [isa](auto some) { return make_bitslice(std::move(some), isa); }));
  scatter_ = std::make_unique<Scatter<Code>>(of_tier(scatter), [&](Code code) { return density_of(density, code); });
}

}  // namespace

template <class Code>
std::unique_ptr<Engine<Code>> make_split(std::vector<Pattern<Code>> patterns, const std::vector<double>& density,
                                         Isa isa) {
  return std::make_unique<Split<Code>>(patterns, density, isa);
}

template <class Code>
SplitCost predicted_split(const std::vector<Code>& letters, const std::vector<std::uint32_t>& counts,
                          std::size_t length, const std::vector<double>& density, Isa isa) {
  const Choice choice = choose_tiers(letters, counts, length, density, isa);
  return {choice.ns, static_cast<double>(std::count(choice.tier.begin(), choice.tier.end(), transform))};
}

template std::unique_ptr<Engine<std::uint8_t>> make_split(std::vector<Pattern<std::uint8_t>>,
                                                          const std::vector<double>&, Isa);
template std::unique_ptr<Engine<std::uint16_t>> make_split(std::vector<Pattern<std::uint16_t>>,
                                                           const std::vector<double>&, Isa);
template std::unique_ptr<Engine<std::uint32_t>> make_split(std::vector<Pattern<std::uint32_t>>,
                                                           const std::vector<double>&, Isa);

template SplitCost predicted_split(const std::vector<std::uint8_t>&, const std::vector<std::uint32_t>&, std::size_t,
                                   const std::vector<double>&, Isa);
template SplitCost predicted_split(const std::vector<std::uint16_t>&, const std::vector<std::uint32_t>&, std::size_t,
                                   const std::vector<double>&, Isa);
template SplitCost predicted_split(const std::vector<std::uint32_t>&, const std::vector<std::uint32_t>&, std::size_t,
                                   const std::vector<double>&, Isa);

}  // namespace pyalgo::hamming

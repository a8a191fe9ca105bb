#include "split.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "bitslice.hpp"
#include "letter_index.hpp"
#include "ntt.hpp"
#include "scatter.hpp"

namespace pyalgo::hamming {

namespace {

enum Tier : std::size_t { transform, slices, scatter, tiers };

// What a letter of `count` places costs in each tier, in ns per symbol of text, and what a tier costs before its first letter.
struct Costs {
  double letter[tiers];
  double base[tiers];
};

// AVX2 and generic: fitted on one core of a Zen 3 to the engines themselves, uniform letters, lengths 1024 to 65536. AVX-512:
// the spec's figures.
Costs costs_of(double count, double density, std::size_t length, Isa isa) noexcept {
  const bool wide = isa == Isa::avx512, vectors = wide || isa == Isa::avx2;
  const double alpha = wide ? 0.4 : vectors ? 0.63 : 1.2;               // ns per element transformed
  const double rate = wide ? 400 : vectors ? 250 : 65;                  // compared places per ns
  const double m = static_cast<double>(length);
  const double ratio = length <= 2304 ? 4096 / (4097 - m) : 2;          // elements transformed per symbol, N / V
  const double products = 0.4 * alpha * std::max(0.0, m / 2048 - 2);    // of the segments' spectra
  const double planes = (wide ? 0.05 : 0.15) * (1 + m / 16384);         // of a block of 16384 symbols and what follows it
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

struct Choice {
  std::vector<Tier> tier;  // of each letter
  double cost = 0;
};

// Every letter by its cheapest tier, and that for the cheapest choice of tiers to have at all.
template <class Code>
Choice choose_tiers(const std::vector<Pattern<Code>>& patterns, const std::vector<Code>& letters, const LetterIndex<Code>& index,
                    const std::vector<double>& density, Isa isa) {
  std::vector<double> counts(letters.size());
  std::size_t length = 0;
  for (const Pattern<Code>& pattern : patterns) {
    for (Code code : pattern.codes) ++counts[index.find(code)];
    length = std::max(length, pattern.length);
  }
  constexpr std::size_t choices = std::size_t{1} << tiers;
  const auto has = [](std::size_t choice, std::size_t tier) { return (choice >> tier & 1) != 0; };
  const auto cheapest = [&](const Costs& costs, std::size_t choice) {
    Tier best = tiers;
    for (std::size_t t = 0; t < tiers; ++t)
      if (has(choice, t) && (best == tiers || costs.letter[t] < costs.letter[best])) best = static_cast<Tier>(t);
    return best;
  };
  const auto costs = [&](std::size_t l) { return costs_of(counts[l], density_of(density, letters[l]), length, isa); };
  const Costs bare = costs_of(0, 0, length, isa);
  std::array<double, choices> sums{};
  for (std::size_t choice = 1; choice < choices; ++choice)
    for (std::size_t t = 0; t < tiers; ++t) sums[choice] += has(choice, t) ? bare.base[t] : 0;
  for (std::size_t l = 0; l < letters.size(); ++l) {
    const Costs each = costs(l);
    for (std::size_t choice = 1; choice < choices; ++choice) sums[choice] += each.letter[cheapest(each, choice)];
  }
  const auto best = std::min_element(sums.begin() + 1, sums.end());
  Choice chosen{std::vector<Tier>(letters.size()), *best};
  for (std::size_t l = 0; l < letters.size(); ++l)
    chosen.tier[l] = cheapest(costs(l), static_cast<std::size_t>(best - sums.begin()));
  return chosen;
}

// At most 255 letters, counted by an engine for bytes: letter l is byte l there, everything else the byte after the last letter.
// Codes that are bytes already stay what they are: the engine ignores those that its patterns lack.
template <class Code>
constexpr bool recodes = sizeof(Code) > 1;

template <class Code>
struct Delegate {
  LetterIndex<Code> index;
  std::unique_ptr<Engine<std::uint8_t>> engine;
};

template <class Code>
class Split final : public Engine<Code> {
 public:
  Split(std::vector<Pattern<Code>> patterns, const std::vector<double>& density, Isa isa)
      : Split(patterns, letters_of(patterns), density, isa) {}

  std::unique_ptr<typename Engine<Code>::Workspace> make_workspace() const override;
  void count(const Code* text, std::size_t size, std::uint64_t position, Span<const Target> targets,
             typename Engine<Code>::Workspace& workspace) const override;

 private:
  struct Buffers final : Engine<Code>::Workspace {
    std::vector<std::unique_ptr<Engine<std::uint8_t>::Workspace>> delegates;
    std::vector<std::uint8_t> bytes;  // a chunk of text as a delegate sees it
    std::vector<Target> targets;
    typename Scatter<Code>::Workspace scatter;

    std::size_t nbytes() const noexcept override {
      std::size_t sum = bytes.capacity() + targets.capacity() * sizeof(Target) + scatter.nbytes();
      for (const auto& delegate : delegates) sum += delegate->nbytes();
      return sum;
    }
  };

  Split(const std::vector<Pattern<Code>>& patterns, const std::vector<Code>& letters, const std::vector<double>& density,
        Isa isa);
  void delegate(const std::vector<Pattern<Code>>& patterns, const std::vector<Code>& letters, Tier tier, Isa isa);
  void count_delegate(std::size_t d, const Code* text, std::size_t size, std::uint64_t position, Span<const Target> targets,
                      bool accumulate, Buffers& buffers) const;
  void count_chunk(std::size_t d, const Code* text, std::size_t size, std::uint64_t position, Buffers& buffers) const;

  std::vector<std::size_t> lengths_;
  std::size_t chunk_ = 0;  // alignments recoded at a time: a few times the longest pattern, as the ends are recoded twice
  std::vector<Delegate<Code>> delegates_;
  std::unique_ptr<Scatter<Code>> scatter_;
};

template <class Code>
Split<Code>::Split(const std::vector<Pattern<Code>>& patterns, const std::vector<Code>& letters,
                   const std::vector<double>& density, Isa isa) {
  std::size_t longest = 0;
  for (const Pattern<Code>& pattern : patterns) {
    lengths_.push_back(pattern.length);
    longest = std::max(longest, pattern.length);
  }
  chunk_ = recodes<Code> ? std::max<std::size_t>(std::size_t{1} << 17, 4 * longest) : ~std::size_t{0} >> 1;
  const LetterIndex<Code> index(letters);
  const std::vector<Tier> chosen = choose_tiers(patterns, letters, index, density, isa).tier;
  for (const Tier tier : {transform, slices}) {
    std::vector<Code> group;
    for (std::size_t l = 0; l < letters.size(); ++l) {
      if (chosen[l] == tier) group.push_back(letters[l]);
      if (group.size() == 255 || (l + 1 == letters.size() && !group.empty())) {
        delegate(patterns, group, tier, isa);
        group.clear();
      }
    }
  }
  scatter_ = std::make_unique<Scatter<Code>>(
      restrict_to(patterns, index, [&](std::uint32_t letter) { return chosen[letter] == scatter; }),
      [&](Code code) { return density_of(density, code); });
}

template <class Code>
void Split<Code>::delegate(const std::vector<Pattern<Code>>& patterns, const std::vector<Code>& letters, Tier tier, Isa isa) {
  Delegate<Code> made;
  made.index = LetterIndex<Code>(letters);
  const auto wanted = [&](std::uint32_t letter) { return letter < made.index.size(); };
  std::vector<Pattern<std::uint8_t>> parts;
  for (Pattern<Code>& pattern : restrict_to(patterns, made.index, wanted)) {
    Pattern<std::uint8_t> part;
    part.length = pattern.length;
    part.offsets = std::move(pattern.offsets);
    for (Code code : pattern.codes)
      part.codes.push_back(static_cast<std::uint8_t>(recodes<Code> ? made.index.find(code) : code));
    parts.push_back(std::move(part));
  }
  made.engine = tier == transform ? make_ntt(std::move(parts), isa) : make_bitslice(std::move(parts), isa);
  delegates_.push_back(std::move(made));
}

template <class Code>
std::unique_ptr<typename Engine<Code>::Workspace> Split<Code>::make_workspace() const {
  auto buffers = std::make_unique<Buffers>();
  for (const Delegate<Code>& delegate : delegates_) buffers->delegates.push_back(delegate.engine->make_workspace());
  if (recodes<Code> && !delegates_.empty())
    buffers->bytes.resize(chunk_ + *std::max_element(lengths_.begin(), lengths_.end()));
  buffers->targets.resize(lengths_.size());
  buffers->scatter = scatter_->make_workspace();
  return buffers;
}

template <class Code>
void Split<Code>::count_chunk(std::size_t d, const Code* text, std::size_t size, std::uint64_t position,
                              Buffers& buffers) const {
  const std::uint8_t* bytes = nullptr;
  if constexpr (recodes<Code>) {
    const LetterIndex<Code>& index = delegates_[d].index;
    for (std::size_t i = 0; i < size; ++i) buffers.bytes[i] = static_cast<std::uint8_t>(index.find(text[i]));
    bytes = buffers.bytes.data();
  } else {
    bytes = text;
  }
  delegates_[d].engine->count(bytes, size, position, buffers.targets, *buffers.delegates[d]);
}

template <class Code>
void Split<Code>::count_delegate(std::size_t d, const Code* text, std::size_t size, std::uint64_t position,
                                 Span<const Target> targets, bool accumulate, Buffers& buffers) const {
  for (std::size_t start = 0;; start += chunk_) {
    std::size_t needed = 0;
    for (std::size_t p = 0; p < targets.size(); ++p) {
      Target& part = buffers.targets[p] = targets[p];
      part.accumulate = part.accumulate || accumulate;
      part.count = part.count > start ? std::min(part.count - start, chunk_) : 0;
      if (part.count == 0) continue;
      part.out += start;
      needed = std::max(needed, part.count + lengths_[p] - 1);
    }
    if (needed == 0) return;
    count_chunk(d, text + start, std::min(needed, size - start), position + start, buffers);
  }
}

template <class Code>
void Split<Code>::count(const Code* text, std::size_t size, std::uint64_t position, Span<const Target> targets,
                        typename Engine<Code>::Workspace& workspace) const {
  auto& buffers = static_cast<Buffers&>(workspace);
  for (std::size_t d = 0; d < delegates_.size(); ++d) count_delegate(d, text, size, position, targets, d > 0, buffers);
  if (delegates_.empty())
    for (const Target& target : targets)
      if (!target.accumulate) std::fill_n(target.out, target.count, target.base);
  scatter_->subtract(text, size, targets, buffers.scatter);
}

}  // namespace

template <class Code>
std::unique_ptr<Engine<Code>> make_split(std::vector<Pattern<Code>> patterns, const std::vector<double>& density, Isa isa) {
  return std::make_unique<Split<Code>>(std::move(patterns), density, isa);
}

template <class Code>
double split_cost(const std::vector<Pattern<Code>>& patterns, const std::vector<double>& density, Isa isa) {
  const std::vector<Code> letters = letters_of(patterns);
  return choose_tiers(patterns, letters, LetterIndex<Code>(letters), density, isa).cost;
}

template std::unique_ptr<Engine<std::uint8_t>> make_split(std::vector<Pattern<std::uint8_t>>, const std::vector<double>&, Isa);
template double split_cost(const std::vector<Pattern<std::uint8_t>>&, const std::vector<double>&, Isa);
template std::unique_ptr<Engine<std::uint16_t>> make_split(std::vector<Pattern<std::uint16_t>>, const std::vector<double>&, Isa);
template double split_cost(const std::vector<Pattern<std::uint16_t>>&, const std::vector<double>&, Isa);
template std::unique_ptr<Engine<std::uint32_t>> make_split(std::vector<Pattern<std::uint32_t>>, const std::vector<double>&, Isa);
template double split_cost(const std::vector<Pattern<std::uint32_t>>&, const std::vector<double>&, Isa);

}  // namespace pyalgo::hamming

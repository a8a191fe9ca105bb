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

Costs costs_of(double count, double density, std::size_t length, Isa isa) noexcept {
  const bool wide = isa == Isa::avx512, vectors = wide || isa == Isa::avx2;
  const double alpha = wide ? 0.4 : vectors ? 0.6 : 1.2;                 // ns per element transformed
  const double rate = wide ? 400 : vectors ? 200 : 60;                   // compared places per ns
  const double m = static_cast<double>(length);
  const double ratio = length <= 2304 ? 4096 / (4097 - m) : 2;           // elements transformed per symbol, N / V
  const double products = length <= 2304 ? 0.1 : 0.1 * m / 2048;         // partitions multiplied and added
  Costs costs;
  costs.letter[transform] = 1.2 * ratio * alpha + products;
  costs.letter[slices] = count / rate + (wide ? 0.05 : vectors ? 0.1 : 0.2);  // and its planes
  costs.letter[scatter] = scatter_cost(count, density);
  costs.base[transform] = 1.2 * ratio * alpha * std::max(1.0, m / 12288);  // the inverse, one for each group of places
  costs.base[slices] = 0.5;
  costs.base[scatter] = 3;
  return costs;
}

// Every letter by its cheapest tier, and that for the cheapest choice of tiers to have at all.
template <class Code>
std::vector<Tier> choose_tiers(const std::vector<Pattern<Code>>& patterns, const std::vector<Code>& letters,
                               const LetterIndex<Code>& index, const std::vector<double>& density, Isa isa) {
  std::vector<double> counts(letters.size());
  std::size_t length = 0;
  for (const Pattern<Code>& pattern : patterns) {
    for (Code code : pattern.codes) ++counts[index.find(code)];
    length = std::max(length, pattern.length);
  }
  constexpr std::size_t choices = std::size_t{1} << tiers;
  std::array<double, choices> sums{};
  const auto cheapest = [](const Costs& costs, std::size_t choice) {
    Tier best = tiers;
    for (std::size_t t = 0; t < tiers; ++t)
      if ((choice >> t & 1) != 0 && (best == tiers || costs.letter[t] < costs.letter[best])) best = static_cast<Tier>(t);
    return best;
  };
  const auto costs = [&](std::size_t l) {
    return costs_of(counts[l], letters[l] < density.size() ? density[letters[l]] : 0, length, isa);
  };
  for (std::size_t choice = 1; choice < choices; ++choice)
    for (std::size_t t = 0; t < tiers; ++t)
      if ((choice >> t & 1) != 0) sums[choice] += costs_of(0, 0, length, isa).base[t];
  for (std::size_t l = 0; l < letters.size(); ++l) {
    const Costs each = costs(l);
    for (std::size_t choice = 1; choice < choices; ++choice) sums[choice] += each.letter[cheapest(each, choice)];
  }
  const auto choice = static_cast<std::size_t>(std::min_element(sums.begin() + 1, sums.end()) - sums.begin());
  std::vector<Tier> chosen(letters.size());
  for (std::size_t l = 0; l < letters.size(); ++l) chosen[l] = cheapest(costs(l), choice);
  return chosen;
}

// The patterns with only those letters whose number has `wanted`.
template <class Code, class Wanted>
std::vector<Pattern<Code>> restrict_to(const std::vector<Pattern<Code>>& patterns, const LetterIndex<Code>& index,
                                       Wanted&& wanted) {
  std::vector<Pattern<Code>> parts(patterns.size());
  for (std::size_t p = 0; p < patterns.size(); ++p) {
    parts[p].length = patterns[p].length;
    for (std::size_t i = 0; i < patterns[p].codes.size(); ++i) {
      if (!wanted(index.find(patterns[p].codes[i]))) continue;
      parts[p].offsets.push_back(patterns[p].offsets[i]);
      parts[p].codes.push_back(patterns[p].codes[i]);
    }
  }
  return parts;
}

// At most 255 letters, counted by an engine for bytes: letter l is byte l there, everything else the byte after the last letter.
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
  chunk_ = std::max<std::size_t>(std::size_t{1} << 17, 4 * longest);
  const LetterIndex<Code> index(letters);
  const std::vector<Tier> chosen = choose_tiers(patterns, letters, index, density, isa);
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
      restrict_to(patterns, index, [&](std::uint32_t letter) { return chosen[letter] == scatter; }), density);
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
    for (Code code : pattern.codes) part.codes.push_back(static_cast<std::uint8_t>(made.index.find(code)));
    parts.push_back(std::move(part));
  }
  made.engine = tier == transform ? make_ntt(std::move(parts), isa) : make_bitslice(std::move(parts), isa);
  delegates_.push_back(std::move(made));
}

template <class Code>
std::unique_ptr<typename Engine<Code>::Workspace> Split<Code>::make_workspace() const {
  auto buffers = std::make_unique<Buffers>();
  for (const Delegate<Code>& delegate : delegates_) buffers->delegates.push_back(delegate.engine->make_workspace());
  if (!delegates_.empty()) buffers->bytes.resize(chunk_ + *std::max_element(lengths_.begin(), lengths_.end()));
  buffers->targets.resize(lengths_.size());
  buffers->scatter = scatter_->make_workspace();
  return buffers;
}

template <class Code>
void Split<Code>::count_chunk(std::size_t d, const Code* text, std::size_t size, std::uint64_t position,
                              Buffers& buffers) const {
  const LetterIndex<Code>& index = delegates_[d].index;
  for (std::size_t i = 0; i < size; ++i) buffers.bytes[i] = static_cast<std::uint8_t>(index.find(text[i]));
  delegates_[d].engine->count(buffers.bytes.data(), size, position, buffers.targets, *buffers.delegates[d]);
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

template std::unique_ptr<Engine<std::uint8_t>> make_split(std::vector<Pattern<std::uint8_t>>, const std::vector<double>&, Isa);
template std::unique_ptr<Engine<std::uint16_t>> make_split(std::vector<Pattern<std::uint16_t>>, const std::vector<double>&, Isa);
template std::unique_ptr<Engine<std::uint32_t>> make_split(std::vector<Pattern<std::uint32_t>>, const std::vector<double>&, Isa);

}  // namespace pyalgo::hamming

#include "coded.hpp"

#include <limits>
#include <unordered_map>

#include "bitslice.hpp"
#include "compare.hpp"
#include "fft.hpp"
#include "grouped.hpp"
#include "ntt.hpp"
#include "split.hpp"
#include "sumset.hpp"

namespace pyalgo::hamming {
namespace {

// Below so many comparisons it costs more to think about the method than to compare.
constexpr double kNotWorthChoosing = 2e5;

template <class Code>
std::shared_ptr<const Engine<Code>> make_engine(Method method, const std::vector<Pattern<Code>>& patterns,
                                                const std::vector<double>& densities) {
  switch (method) {
    case Method::bitslice: return make_grouped<Code>(patterns, [](auto some) { return make_bitslice(std::move(some)); });
    case Method::ntt: return make_grouped<Code>(patterns, [](auto some) { return make_ntt(std::move(some)); });
    case Method::fft: return make_grouped<Code>(patterns, [](auto some) { return make_fft(std::move(some)); });
    case Method::split: return make_split<Code>(patterns, densities);
    case Method::periodic: return make_periodic<Code>(patterns);
    case Method::sumset: return make_sumset<Code>(patterns);
    case Method::automatic:
    case Method::compare: break;
  }
  return make_compare<Code>(patterns);
}

}  // namespace

template <class Code>
Coded<Code>::Coded(const std::vector<PatternValues>& patterns, std::optional<std::uint64_t> text_wildcard, Alphabet alphabet)
    : alphabet_(std::move(alphabet)) {
  if (text_wildcard) wildcard_ = static_cast<Code>(alphabet_.code(*text_wildcard));
  for (const PatternValues& given : patterns) {
    Pattern<Code> pattern;
    pattern.length = given.values.size();
    for (std::size_t j = 0; j < given.values.size(); ++j) {
      if (!given.counts[j]) continue;
      pattern.offsets.push_back(static_cast<std::uint32_t>(j));
      const bool matchable = given.values[j] != text_wildcard;
      pattern.codes.push_back(static_cast<Code>(matchable ? alphabet_.code(given.values[j]) : alphabet_.never()));
    }
    if (wildcard_) {
      facing_wildcards_.push_back(pattern);
      std::fill(facing_wildcards_.back().codes.begin(), facing_wildcards_.back().codes.end(), *wildcard_);
    }
    longest_ = std::max(longest_, pattern.length);
    shortest_ = std::min(shortest_, pattern.length);
    periods_.push_back(best_period(pattern));
    patterns_.push_back(std::move(pattern));
  }
}

template <class Code>
std::vector<double> Coded<Code>::densities(Span<const Code> sample) const {
  std::vector<double> density(alphabet_.identity() ? std::size_t{1} << (8 * sizeof(Code)) : alphabet_.never() + std::size_t{1});
  for (const Code code : sample) density[code] += 1.0 / static_cast<double>(sample.size());
  return density;
}

template <class Code>
Load Coded<Code>::load(std::size_t alignments, Span<const Code> sample) const {
  Load load;
  load.n = static_cast<double>(alignments);
  load.patterns = static_cast<double>(patterns_.size());
  load.length = static_cast<double>(longest_);
  load.code_width = sizeof(Code);
  load.increments = 0;
  const std::vector<double> density = densities(sample);
  std::vector<std::uint32_t> places(density.size());
  for (std::size_t p = 0; p < patterns_.size(); ++p) {
    const Pattern<Code>& pattern = patterns_[p];
    load.counted += static_cast<double>(pattern.offsets.size());
    for (const Code code : pattern.codes) ++places[code];
    if (!sample.empty())
      load.increments += periodic_increments(pattern, periods_[p].period, sample.data(), sample.size()) /
                         static_cast<double>(sample.size());
  }
  load.letters = static_cast<double>(places.size()) - static_cast<double>(std::count(places.begin(), places.end(), 0U));
  load.split = predicted_split_ns(patterns_, density);
  return load;
}

template <class Code>
std::vector<Prediction> Coded<Code>::predictions(std::size_t alignments, Span<const Code> sample, const Costs& costs) const {
  const Load work = load(alignments, sample);
  std::vector<Prediction> ranking;
  for (const Method method : kMethods) ranking.push_back({method, predicted_ns(method, work, costs)});
  std::stable_sort(ranking.begin(), ranking.end(), [](const auto& a, const auto& b) { return a.ns < b.ns; });
  return ranking;
}

template <class Code>
Method Coded<Code>::choose(Method asked, std::size_t alignments, Span<const Code> sample) const {
  if (asked != Method::automatic) return asked;
  double comparisons = 0;
  for (const Pattern<Code>& pattern : patterns_)
    comparisons += static_cast<double>(pattern.offsets.size()) * static_cast<double>(alignments);
  if (comparisons <= kNotWorthChoosing) return Method::compare;
  return predictions(alignments, sample, active_costs()).front().method;
}

template <class Code>
bool Coded<Code>::prefers_bounded(std::int64_t k, std::size_t alignments, Span<const Code> sample) const {
  const Costs costs = active_costs();
  return predicted_bounded_ns(k, load(alignments, sample), costs) < predictions(alignments, sample, costs).front().ns;
}

template <class Code>
std::shared_ptr<const Engine<Code>> Coded<Code>::engine(Method method, Span<const Code> sample) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto& engine = engines_[static_cast<std::size_t>(method)];
  if (!engine) engine = make_engine<Code>(method, patterns_, densities(sample));
  return engine;
}

template <class Code>
typename Coded<Code>::Workspace Coded<Code>::workspace(Method method, Span<const Code> sample) const {
  Workspace made;
  made.engine = engine(method, sample);
  made.letters = made.engine->make_workspace();
  if (!wildcard_) return made;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!wildcard_engine_) {
    // One letter, as long as the pattern: what is cheapest for it does not depend on what the letters need.
    Load one;
    one.length = static_cast<double>(longest_);
    one.letters = 1;
    for (const Pattern<Code>& pattern : patterns_) one.counted += static_cast<double>(pattern.offsets.size());
    one.n = 1e6;
    const Costs costs = active_costs();
    const Method cheapest = predicted_ns(Method::bitslice, one, costs) < predicted_ns(Method::ntt, one, costs) ? Method::bitslice : Method::ntt;
    wildcard_engine_ = make_engine<Code>(cheapest, facing_wildcards_, {});
  }
  made.wildcard_engine = wildcard_engine_;
  made.wildcards = wildcard_engine_->make_workspace();
  return made;
}

template <class Code>
void Coded<Code>::distances(const Code* codes, std::size_t size, std::uint64_t position, Span<std::int32_t* const> out,
                            Span<const std::size_t> counts, Workspace& workspace) const {
  std::vector<Target> targets(patterns_.size());
  for (std::size_t p = 0; p < targets.size(); ++p)
    targets[p] = {out[p], counts[p], false, static_cast<std::int32_t>(patterns_[p].offsets.size())};
  workspace.engine->count(codes, size, position, targets, *workspace.letters);
  if (!wildcard_) return;
  for (Target& target : targets) target.accumulate = true;
  workspace.wildcard_engine->count(codes, size, position, targets, *workspace.wildcards);
}

template <class Code>
std::unique_ptr<BoundedSearch<Code>> Coded<Code>::bounded(std::size_t p, std::int64_t k, Span<const Code> sample) const {
  TextWildcard<Code> wildcard;
  if (wildcard_) wildcard = {true, *wildcard_};
  std::shared_ptr<const Engine<Code>> exact;
  if (!wildcard_) exact = make_engine<Code>(choose(Method::automatic, 1 << 20, sample), {patterns_[p]}, densities(sample));
  return make_bounded<Code>(patterns_[p], k, wildcard, std::move(exact));
}

template class Coded<std::uint8_t>;
template class Coded<std::uint16_t>;
template class Coded<std::uint32_t>;

}  // namespace pyalgo::hamming

#include "coded.hpp"

#include <functional>
#include <limits>

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
                                                const std::vector<double>& densities, std::size_t period) {
  switch (method) {
    case Method::bitslice:
      return make_grouped<Code>(patterns, [](auto some) { return make_bitslice(std::move(some)); });
    case Method::ntt: return make_grouped<Code>(patterns, [](auto some) { return make_ntt(std::move(some)); });
    case Method::fft: return make_grouped<Code>(patterns, [](auto some) { return make_fft(std::move(some)); });
    case Method::split: return make_split<Code>(patterns, densities);
    case Method::periodic: return make_periodic<Code>(patterns, period);
    case Method::sumset: return make_sumset<Code>(patterns);
    case Method::automatic:
    case Method::compare: break;
  }
  return make_compare<Code>(patterns);
}

// An engine that is made when it first counts: most searches never ask theirs.
template <class Code>
class Lazily final : public Engine<Code> {
 public:
  explicit Lazily(std::function<std::shared_ptr<const Engine<Code>>()> make) : make_(std::move(make)) {}

  std::unique_ptr<typename Engine<Code>::Workspace> make_workspace() const override {
    return std::make_unique<Buffers>();
  }
  void count(const Code* text, std::size_t size, std::uint64_t position, Span<const Target> targets,
             typename Engine<Code>::Workspace& workspace) const override {
    std::call_once(made_, [this] { engine_ = make_(); });
    auto& buffers = static_cast<Buffers&>(workspace);
    if (!buffers.inner) buffers.inner = engine_->make_workspace();
    engine_->count(text, size, position, targets, *buffers.inner);
  }

 private:
  struct Buffers final : Engine<Code>::Workspace {
    std::unique_ptr<typename Engine<Code>::Workspace> inner;
    std::size_t nbytes() const noexcept override { return inner ? inner->nbytes() : 0; }
  };

  std::function<std::shared_ptr<const Engine<Code>>()> make_;
  mutable std::once_flag made_;
  mutable std::shared_ptr<const Engine<Code>> engine_;
};

}  // namespace

template <class Code>
Coded<Code>::Coded(const std::vector<PatternValues>& patterns, std::optional<std::uint64_t> text_wildcard,
                   Alphabet alphabet)
    : alphabet_(std::move(alphabet)) {
  if (text_wildcard) wildcard_ = static_cast<Code>(alphabet_.code(*text_wildcard));
  for (const PatternValues& given : patterns) {
    Pattern<Code> pattern;
    pattern.length = given.values.size();
    pattern.offsets.reserve(pattern.length);
    pattern.codes.reserve(pattern.length);
    const bool plain = alphabet_.identity() && !text_wildcard;
    for (std::size_t j = 0; j < given.values.size(); ++j) {
      if (!given.counts[j]) continue;
      pattern.offsets.push_back(static_cast<std::uint32_t>(j));
      if (plain) {
        pattern.codes.push_back(static_cast<Code>(given.values[j]));
        continue;
      }
      const bool matchable = given.values[j] != text_wildcard;
      pattern.codes.push_back(static_cast<Code>(matchable ? alphabet_.code(given.values[j]) : alphabet_.never()));
    }
    if (wildcard_) {
      facing_wildcards_.push_back(pattern);
      std::fill(facing_wildcards_.back().codes.begin(), facing_wildcards_.back().codes.end(), *wildcard_);
    }
    longest_ = std::max(longest_, pattern.length);
    shortest_ = std::min(shortest_, pattern.length);
    patterns_.push_back(std::move(pattern));
  }
  count_letters();
}

template <class Code>
void Coded<Code>::count_letters() {
  std::vector<std::uint32_t> places(alphabet_.identity() ? std::size_t{1} << (8 * sizeof(Code))
                                                         : alphabet_.never() + std::size_t{1});
  for (const Pattern<Code>& pattern : patterns_)
    for (const Code code : pattern.codes) ++places[code];
  for (std::size_t code = 0; code < places.size(); ++code) {
    if (places[code] == 0) continue;
    letters_.push_back(static_cast<Code>(code));
    places_.push_back(places[code]);
  }
}

// The share of symbols that differ from the one `period` before.
template <class Code>
double share_of_breaks(const Code* codes, std::size_t n, std::size_t period) noexcept {
  std::size_t breaks = std::min(n, period);
  for (std::size_t i = period; i < n; ++i) breaks += codes[i] != codes[i - period];
  return static_cast<double>(breaks) / static_cast<double>(std::max<std::size_t>(n, 1));
}

template <class Code>
Pattern<Code> beginning(const Pattern<Code>& pattern, double length) {
  if (static_cast<double>(pattern.length) <= length) return pattern;
  Pattern<Code> part;
  part.length = static_cast<std::size_t>(length);
  const auto end =
      std::lower_bound(pattern.offsets.begin(), pattern.offsets.end(), part.length) - pattern.offsets.begin();
  part.offsets.assign(pattern.offsets.begin(), pattern.offsets.begin() + end);
  part.codes.assign(pattern.codes.begin(), pattern.codes.begin() + end);
  return part;
}

// Counting the increments takes longer than looking whether they can be few: by the beginning of a pattern, and as if
// letters were equally frequent. Infinite where they are more than `at_most` by that.
template <class Code>
typename Coded<Code>::PeriodicWork Coded<Code>::periodic_work(Span<const Code> sample, double at_most) const {
  PeriodicWork best{std::numeric_limits<double>::infinity(), 0};
  if (sample.empty()) return best;
  constexpr std::size_t kLooked = 1024;
  constexpr double kCounted = 8192;
  const Pattern<Code>& first = patterns_.front();
  const std::size_t looked = std::min(kLooked, first.codes.size());
  std::size_t likely = 1;
  for (std::size_t period = 2; period <= std::min<std::size_t>(64, looked / 2); ++period)
    if (share_of_breaks(first.codes.data(), looked, period) < share_of_breaks(first.codes.data(), looked, likely))
      likely = period;
  double counted = 0;
  for (const std::uint32_t places : places_) counted += places;
  for (const std::size_t period : {likely, std::size_t{1}}) {
    const double breaks =
        4 * share_of_breaks(first.codes.data(), looked, period) * share_of_breaks(sample.data(), sample.size(), period);
    if (breaks * counted / static_cast<double>(std::max<std::size_t>(letters_.size(), 1)) > at_most) continue;
    double increments = 0;
    for (const Pattern<Code>& pattern : patterns_) {
      const double whole = static_cast<double>(pattern.length), part = std::min(whole, kCounted);
      increments +=
          whole / part * periodic_increments(beginning(pattern, kCounted), period, sample.data(), sample.size());
    }
    increments /= static_cast<double>(sample.size());
    if (increments < best.increments) best = {increments, period};
    if (best.increments < 1) break;
  }
  return best;
}

template <class Code>
std::vector<double> Coded<Code>::densities(Span<const Code> sample) const {
  std::vector<double> density(alphabet_.identity() ? std::size_t{1} << (8 * sizeof(Code))
                                                   : alphabet_.never() + std::size_t{1});
  for (const Code code : sample) density[code] += 1.0 / static_cast<double>(sample.size());
  return density;
}

template <class Code>
Load Coded<Code>::load(std::size_t alignments, Span<const Code> sample, const Costs& costs) const {
  Load load;
  load.n = static_cast<double>(alignments);
  load.patterns = static_cast<double>(patterns_.size());
  load.length = static_cast<double>(longest_);
  load.code_width = sizeof(Code);
  load.letters = static_cast<double>(letters_.size());
  const std::vector<double> density = densities(sample);
  for (std::size_t l = 0; l < letters_.size(); ++l) {
    load.counted += places_[l];
    load.scattered += places_[l] * density[letters_[l]];
  }
  const SplitCost split = predicted_split(letters_, places_, longest_, density, costs.isa);
  load.split = split.ns;
  load.transformed = split.transformed;
  return load;
}

template <class Code>
std::vector<Prediction> Coded<Code>::predictions(std::size_t alignments, Span<const Code> sample, const Costs& costs,
                                                 bool streamed) const {
  Load work = load(alignments, sample, costs);
  work.streamed = streamed;
  double least = std::numeric_limits<double>::infinity();
  for (const Method method : kMethods)
    if (method != Method::periodic) least = std::min(least, predicted_ns(method, work, costs));
  work.increments = periodic_work(sample, least / costs.periodic_increment).increments;
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
  return predicted_bounded_ns(k, load(alignments, sample, costs), costs) <
         predictions(alignments, sample, costs).front().ns;
}

template <class Code>
std::shared_ptr<const Engine<Code>> Coded<Code>::engine(Method method, Span<const Code> sample) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto& engine = engines_[static_cast<std::size_t>(method)];
  if (!engine) {
    const std::size_t period =
        method == Method::periodic ? periodic_work(sample, std::numeric_limits<double>::infinity()).period : 0;
    engine = make_engine<Code>(method, patterns_, densities(sample), period);
  }
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
    const Method cheapest = predicted_ns(Method::bitslice, one, costs) < predicted_ns(Method::ntt, one, costs)
                                ? Method::bitslice
                                : Method::ntt;
    wildcard_engine_ = make_engine<Code>(cheapest, facing_wildcards_, {}, 0);
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
std::unique_ptr<BoundedSearch<Code>> Coded<Code>::bounded(std::size_t p, std::int64_t k,
                                                          Span<const Code> sample) const {
  TextWildcard<Code> wildcard;
  if (wildcard_) wildcard = {true, *wildcard_};
  std::shared_ptr<const Engine<Code>> exact;
  if (!wildcard_) {
    std::vector<Code> seen(sample.begin(), sample.end());
    exact = std::make_shared<Lazily<Code>>([this, p, seen = std::move(seen)] {
      const Method method = choose(Method::automatic, std::size_t{1} << 20, seen);
      const std::size_t period =
          method == Method::periodic ? periodic_work(seen, std::numeric_limits<double>::infinity()).period : 0;
      return make_engine<Code>(method, {patterns_[p]}, densities(seen), period);
    });
  }
  return make_bounded<Code>(patterns_[p], k, wildcard, std::move(exact));
}

template class Coded<std::uint8_t>;
template class Coded<std::uint16_t>;
template class Coded<std::uint32_t>;

}  // namespace pyalgo::hamming

// Approximate distances: the bounds hold for every alignment at once (spec 6.10), and the tails that the checkpoints
// rest on.
#include <algorithm>
#include <cmath>
#include <vector>

#include "check.hpp"
#include "hamming/approx.hpp"
#include "pyalgo/rng.hpp"

using namespace pyalgo;
using namespace pyalgo::hamming;

namespace {

template <class Code>
struct Naive : Engine<Code> {
  struct Empty : Engine<Code>::Workspace {
    std::size_t nbytes() const noexcept override { return 0; }
  };
  explicit Naive(std::vector<Pattern<Code>> p) : patterns(std::move(p)) {}
  std::unique_ptr<typename Engine<Code>::Workspace> make_workspace() const override {
    return std::make_unique<Empty>();
  }
  void count(const Code* text, std::size_t size, std::uint64_t, Span<const Target> targets,
             typename Engine<Code>::Workspace&) const override {
    CHECK(targets.size() == patterns.size());
    for (std::size_t p = 0; p < patterns.size(); ++p) {
      const Target& target = targets[p];
      CHECK(target.count == 0 || target.count + patterns[p].length - 1 <= size);
      if (!target.accumulate) std::fill_n(target.out, target.count, target.base);
      for (std::size_t j = 0; j < patterns[p].offsets.size(); ++j) {
        const Code* at = text + patterns[p].offsets[j];
        const Code code = patterns[p].codes[j];
        for (std::size_t i = 0; i < target.count; ++i) target.out[i] -= at[i] == code;
      }
    }
  }
  std::vector<Pattern<Code>> patterns;
};

template <class Code>
std::size_t verify(const Code* text, const Code* pattern, const Code* fixed, std::size_t length) {
  std::size_t mismatches = 0;
  for (std::size_t j = 0; j < length; ++j) mismatches += text[j] != pattern[j] && (fixed == nullptr || fixed[j] != 0);
  return mismatches;
}

template <class Code>
Pattern<Code> all_counted(const std::vector<Code>& codes) {
  Pattern<Code> pattern{codes.size(), {}, codes};
  for (std::uint32_t j = 0; j < codes.size(); ++j) pattern.offsets.push_back(j);
  return pattern;
}

// A text and a pattern with all that is asked about them.
template <class Code>
struct Case {
  std::vector<Code> text;
  Pattern<Code> pattern;
  Naive<Code> engine{{pattern}};
  std::vector<std::int32_t> d = distances();

  std::vector<std::int32_t> distances() const {
    std::vector<std::int32_t> out(text.size() - pattern.length + 1);
    const Target target{out.data(), out.size(), false, static_cast<std::int32_t>(pattern.offsets.size())};
    engine.count(text.data(), text.size(), 0, {&target, 1}, *engine.make_workspace());
    return out;
  }
};

struct Outcome {
  ApproxMethod used;
  std::vector<double> values;
  std::vector<std::uint8_t> exact;
  std::size_t rounds = 0;  // of projection
  std::size_t n_exact() const { return static_cast<std::size_t>(std::count(exact.begin(), exact.end(), 1)); }
};

// With costs at which it always pays to sample on.
constexpr ApproxCosts sample_all{1e12, 0, 1e-12, 1};

// The samples are those that the checkpoints say, and share nothing.
template <class Code>
std::unique_ptr<Engine<Code>> make_sampler(std::vector<Pattern<Code>> samples, const std::vector<Checkpoint>& checks) {
  CHECK(samples.size() == checks.size());
  std::vector<std::uint32_t> all;
  for (std::size_t k = 0; k < samples.size(); ++k) {
    const std::vector<std::uint32_t>& offsets = samples[k].offsets;
    CHECK(offsets.size() == samples[k].codes.size() && std::is_sorted(offsets.begin(), offsets.end()));
    all.insert(all.end(), offsets.begin(), offsets.end());
    CHECK(all.size() == checks[k].samples);
  }
  std::sort(all.begin(), all.end());
  CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
  return std::make_unique<Naive<Code>>(std::move(samples));
}

// Checks every promise about one call.
template <class Code>
Outcome approximate(const Case<Code>& test, const ApproxOptions& options, const ApproxCosts& costs = sample_all) {
  ApproxEngines<Code> engines;
  engines.exact = &test.engine;
  engines.verify = verify<Code>;
  const double counted = static_cast<double>(test.pattern.offsets.size());
  const std::vector<Checkpoint> checks =
      checkpoints(test.pattern.offsets.size(), test.d.size(), options.eps, options.delta);
  engines.sampler = [&](std::vector<Pattern<Code>> p) { return make_sampler(std::move(p), checks); };
  Outcome out{ApproxMethod::automatic, std::vector<double>(test.d.size(), -1),
              std::vector<std::uint8_t>(test.d.size(), 7)};
  engines.projected = [&out](std::vector<Pattern<std::uint8_t>> p) {
    ++out.rounds;
    return std::make_unique<Naive<std::uint8_t>>(std::move(p));
  };
  out.used = approx_distances(test.text.data(), test.text.size(), test.pattern, options, engines, costs,
                              {out.values.data(), out.values.size()}, {out.exact.data(), out.exact.size()});
  for (std::size_t i = 0; i < test.d.size(); ++i) {
    const double d = test.d[i], value = out.values[i];
    CHECK((1 - options.eps) * d <= value && value <= (1 + options.eps) * d);
    CHECK(out.exact[i] <= 1 && (out.exact[i] == 0 || value == d));
    if (out.used == ApproxMethod::project) CHECK(value <= d);
    const bool sampled = out.used == ApproxMethod::sample && out.exact[i] == 0;
    const auto settled = [&](const Checkpoint& check) {  // value = x counted / samples for an x that may stop there
      const double x = value * check.samples / counted;
      return std::abs(x - std::round(x)) < 1e-6 && std::round(x) >= check.stop;
    };
    if (sampled) CHECK(std::any_of(checks.begin(), checks.end(), settled));
  }
  if (out.used == ApproxMethod::exact) CHECK(out.n_exact() == out.values.size());
  return out;
}

// One letter pair carries all mismatches: a pattern of one letter over a text that changes from it to another.
Case<std::uint8_t> one_pair(std::size_t m) {
  std::vector<std::uint8_t> text(2 * m, 1);
  std::fill(text.begin() + static_cast<std::ptrdiff_t>(m) - 1, text.end(), std::uint8_t{2});
  return {text, all_counted(std::vector<std::uint8_t>(m, 1))};
}

// A periodic pattern of `sigma` letters, and a text that follows it with ever more errors: d is spread at multiples of
// the period and near m elsewhere. Every fourth position is a wildcard if asked for.
template <class Code>
Case<Code> decaying(std::size_t m, std::size_t n, std::uint32_t sigma, std::uint32_t period, bool wildcards,
                    std::uint64_t seed) {
  PhiloxStream random(seed, 7, 0);
  std::vector<Code> unit(period), text(n);
  for (Code& c : unit) c = static_cast<Code>(random.below(sigma));
  for (std::size_t i = 0; i < n; ++i) {
    const bool wrong = random.below(static_cast<std::uint32_t>(n)) < i;
    text[i] = wrong ? static_cast<Code>(random.below(sigma)) : unit[i % period];
  }
  Pattern<Code> pattern;
  pattern.length = m;
  for (std::uint32_t j = 0; j < m; ++j) {
    if (wildcards && j % 4 == 3) continue;
    pattern.offsets.push_back(j);
    pattern.codes.push_back(unit[j % period]);
  }
  return {text, pattern};
}

// Fixed seeds; a run of this test with others would fail by chance with probability below 1e-4.
void test_bounds() {
  const Case<std::uint8_t> pair = one_pair(4096);
  const Case<std::uint16_t> many = decaying<std::uint16_t>(3000, 7000, 400, 50, true, 1);
  for (double eps : {.05, .1, .3}) {
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      const Outcome a = approximate(pair, {eps, 1e-6, ApproxMethod::sample, seed});
      const Outcome b = approximate(many, {eps, 1e-6, ApproxMethod::sample, seed});
      CHECK(a.used == ApproxMethod::sample && b.used == ApproxMethod::sample);
      CHECK(a.n_exact() > 0 && a.n_exact() < (eps < .3 ? 4000 : 2500));  // samples settle a good part
      CHECK(b.n_exact() < (eps == .05 ? 3900 : 2000));
      if (seed == 0) {
        CHECK(approximate(pair, {eps, 1e-6, ApproxMethod::sample, seed}).values == a.values);
        CHECK(approximate(pair, {eps, 1e-6, ApproxMethod::sample, 99}).values != a.values);
      }
    }
  }
}

void test_project() {
  const Case<std::uint16_t> spread = decaying<std::uint16_t>(300, 1500, 400, 150, false, 2);
  for (double eps : {.05, .1, .3}) {
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      const ApproxOptions options{eps, 1e-6, ApproxMethod::project, seed};
      const Outcome a = approximate(spread, options);
      CHECK(a.used == ApproxMethod::project && a.n_exact() < a.values.size());
      CHECK(a.rounds == (eps == .3 ? 24 : 18));  // 1201e6 to the bases 3.2, 3.2 and 2.4
      CHECK(approximate(spread, options).values == a.values);
    }
  }
  // Few letters, or too many buckets for bytes.
  CHECK(approximate(one_pair(200), {.1, 1e-6, ApproxMethod::project, 0}).used == ApproxMethod::exact);
  CHECK(approximate(decaying<std::uint8_t>(100, 500, 31, 50, false, 3), {.1, 1e-6, ApproxMethod::project, 0}).used ==
        ApproxMethod::exact);
  CHECK(approximate(spread, {.007, 1e-6, ApproxMethod::project, 0}).used == ApproxMethod::exact);
}

// A pair of letters falls into one bucket as seldom as promised, so that a projection loses no more than 1/B on
// average: one pair carries all mismatches, so one round loses all of them or none, and only the maximum over rounds is
// right.
void test_one_pair_in_many_letters() {
  std::vector<std::uint8_t> letters(600);
  for (std::size_t j = 0; j < letters.size(); ++j) letters[j] = static_cast<std::uint8_t>(j % 100);
  std::vector<std::uint8_t> text = letters;
  for (std::uint8_t& c : text) c = c == 7 ? 8 : c;
  const Case<std::uint8_t> test{text, all_counted(letters)};
  CHECK(test.d.size() == 1 && test.d[0] == 6);
  for (std::uint64_t seed = 0; seed < 200; ++seed) approximate(test, {.3, 1e-6, ApproxMethod::project, seed});
  std::size_t lost = 0;  // delta so large that there is one round of 8 buckets
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    const ApproxOptions options{.3, .9, ApproxMethod::project, seed};
    std::vector<double> value(1);
    std::vector<std::uint8_t> exact(1);
    ApproxEngines<std::uint8_t> engines{&test.engine, verify<std::uint8_t>, nullptr,
                                        [](auto p) { return std::make_unique<Naive<std::uint8_t>>(std::move(p)); }};
    approx_distances(text.data(), text.size(), test.pattern, options, engines, sample_all, {value.data(), 1},
                     {exact.data(), 1});
    CHECK(value[0] == 0 || value[0] == 6);
    lost += value[0] == 0;
  }
  CHECK(lost > 395 &&
        lost < 605);  // 500 expected, 21 the standard deviation: fails with probability 1e-6 on other seeds
}

void test_choices() {
  const Case<std::uint8_t> pair = one_pair(1000);
  const ApproxOptions automatic{.3, 1e-6, ApproxMethod::automatic, 5}, sample{.3, 1e-6, ApproxMethod::sample, 5};
  CHECK(approximate(pair, automatic, {1, 1, .01, .01}).used == ApproxMethod::exact);  // cheaper than the first look
  CHECK(approximate(pair, sample, {1e-9, 1, .01, .01}).used == ApproxMethod::exact);  // cheaper than any second look
  CHECK(approximate(pair, automatic).used == ApproxMethod::sample);
  CHECK(approximate(pair, {.3, 1e-6, ApproxMethod::exact, 5}).used == ApproxMethod::exact);
  CHECK(approximate(one_pair(127), sample).used == ApproxMethod::exact);  // too short to sample half of it
  CHECK(approximate(pair, {.001, 1e-6, ApproxMethod::sample, 5}).used == ApproxMethod::exact);
  const Case<std::uint32_t> wide = decaying<std::uint32_t>(700, 2000, 1U << 31, 70, true, 4);
  CHECK(approximate(wide, sample).used == ApproxMethod::sample);
  CHECK(approximate(wide, {.3, 1e-6, ApproxMethod::project, 5}).used == ApproxMethod::project);
  const Case<std::uint8_t> wild{std::vector<std::uint8_t>(50, 1), {20, {}, {}}};
  for (ApproxMethod method :
       {ApproxMethod::automatic, ApproxMethod::exact, ApproxMethod::sample, ApproxMethod::project})
    CHECK(approximate(wild, {.3, 1e-6, method, 5}).used == ApproxMethod::exact);
  for (double bad : {0.0, 1.0, -0.1, std::nan("")}) {
    CHECK(throws<std::invalid_argument>([&] { approximate(pair, {bad, 1e-6, ApproxMethod::sample, 0}); }));
    CHECK(throws<std::invalid_argument>([&] { approximate(pair, {.1, bad, ApproxMethod::sample, 0}); }));
  }
  ApproxEngines<std::uint8_t> none;
  approx_distances<std::uint8_t>(nullptr, 0, pair.pattern, sample, none, sample_all, {}, {});
}

// Samples are for nothing in the first stretch of 2^15 alignments; `automatic` then counts the next one without trying.
void test_stretches() {
  PhiloxStream random(8, 0, 0);
  std::vector<std::uint8_t> text(100000, 1);
  for (std::size_t i = 25000; i < text.size(); ++i) text[i] = static_cast<std::uint8_t>(2 + random.below(3));
  const Case<std::uint8_t> test{text, all_counted(std::vector<std::uint8_t>(300, 1))};
  const ApproxCosts costs{50, 1, .05, 1};
  const Outcome a = approximate(test, {.3, 1e-6, ApproxMethod::automatic, 0}, costs);
  const Outcome b = approximate(test, {.3, 1e-6, ApproxMethod::sample, 0}, costs);
  CHECK(a.used == ApproxMethod::sample && a.n_exact() == 2 << 15);
  CHECK(b.used == ApproxMethod::sample && b.n_exact() == 1 << 15);
}

double log_choose(std::size_t n, std::size_t k) {
  return std::lgamma(static_cast<double>(n) + 1) - std::lgamma(static_cast<double>(k) + 1) -
         std::lgamma(static_cast<double>(n - k) + 1);
}

// The probability of being settled wrongly at a checkpoint, from the exact hypergeometric distribution and for every
// distance, is within the share of delta that the union bound gives it, but not so far that the bound could be a mere
// accident.
void test_tails() {
  constexpr std::size_t counted = 1200;
  for (double eps : {.1, .2, .3, .6}) {
    for (double delta : {.9, 1e-3}) {
      const std::vector<Checkpoint> checks = checkpoints(counted, 1, eps, delta);
      CHECK(!checks.empty());
      double worst_share = 0, previous = 2;
      for (const Checkpoint& check : checks) {
        const std::size_t s = check.samples;
        CHECK(1 <= check.stop && check.stop <= s && 2 * s <= counted);
        CHECK(check.stop <= previous * static_cast<double>(s));
        previous = static_cast<double>(check.stop) / static_cast<double>(s);
        for (std::size_t d = 0; d <= counted; d += 1 + d / 64) {
          double wrong = 0;
          for (std::size_t x = check.stop; x <= std::min(s, d); ++x) {
            if (s - x > counted - d) continue;
            const double value = static_cast<double>(x) * counted / static_cast<double>(s),
                         real = static_cast<double>(d);
            if ((1 - eps) * real <= value && value <= (1 + eps) * real) continue;
            wrong += std::exp(log_choose(d, x) + log_choose(counted - d, s - x) - log_choose(counted, s));
          }
          worst_share = std::max(worst_share, wrong * static_cast<double>(checks.size()) / delta);
        }
      }
      CHECK(worst_share <= 1 && worst_share > 1e-3);
    }
  }
}

// The thresholds that a platform with another logarithm would have to get too.
void test_pinned() {
  std::uint64_t sum = 0, number = 0;
  for (const Checkpoint& check : checkpoints(65536, 1000000, .1, 1e-6))
    sum += ++number * (check.samples + 7 * check.stop);
  CHECK(number == 21 && sum == 8155047);
}

}  // namespace

int main() {
  test_tails();
  test_pinned();
  test_bounds();
  test_project();
  test_one_pair_in_many_letters();
  test_choices();
  test_stretches();
  return 0;
}

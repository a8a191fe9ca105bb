#include "approx.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "pyalgo/bits.hpp"
#include "pyalgo/rng.hpp"

namespace pyalgo::hamming {

namespace {

constexpr std::uint32_t order_stream = 0x45370001, hash_stream = 0x45370002;

// Natural logarithm of x > 0 to a few units in the last place. std::log differs in the last bit between platforms,
// which could move a threshold and with it the results; this takes IEEE operations only, so its bits are the same
// everywhere.
double ln(double x) noexcept {
  int exponent;
  double mantissa = std::frexp(x, &exponent);  // [1/2, 1), exactly
  if (mantissa < 0.70710678118654752) {
    mantissa *= 2;
    --exponent;
  }
  // ln y = 2 artanh t for t = (y - 1) / (y + 1), |t| < 0.172: the first term left out is below 2^-60.
  const double t = (mantissa - 1) / (mantissa + 1), square = t * t;
  double series = 0;
  for (int power = 23; power >= 1; power -= 2) series = series * square + 1.0 / power;
  return exponent * 0.69314718055994531 + 2 * t * series;
}

// Whether x mismatches in a sample of s settle an alignment at the value v = x counted / s: with KL(p || q) for the
// divergence of coins with heads p and q, whether s KL(x/s || x/s/(1+eps)) >= bound.
//
// d mismatches among M positions leave X of them in a sample of s without replacement. Hoeffding (1963, theorems 1 and
// 4):
//   P(X >= x) <= exp(-s KL(x/s || d/M)) for x/s >= d/M,   P(X <= x) <= exp(-s KL(x/s || d/M)) for x/s <= d/M.
// v is wrong if d < v/(1+eps) or d > v/(1-eps). For the true d, let x0 be the least x that settles and is wrong in the
// first way. All such outcomes are in {X >= x0}, and as KL grows when d/M moves away from x0/s,
//   P(X >= x0) <= exp(-s KL(x0/s || x0/s/(1+eps))) <= exp(-bound).
// Likewise for the second way: it is impossible if x/s/(1-eps) >= 1, and else, with p = x/s and q = 1 - p,
//   (KL(p || p/(1-eps)) - KL(p || p/(1+eps))) / 2 = q artanh(eps/q) - artanh(eps) >= 0,  term by term in powers of eps.
// KL(p || a p) has the derivative r - 1 - ln r >= 0 in p, r = a (1-p) / (1 - a p): if x settles, so does every larger
// one.
bool settles(double x, double s, double eps, double bound) noexcept {
  const double p = x / s;
  return s * (ln(1 + eps) + (p < 1 ? (1 - p) * ln((1 - p) / (1 + eps - p)) : 0.0)) >= bound;
}

// Calls visit(begin, count) for consecutive stretches of the alignments: twice the length if memory allows, as each
// reads length - 1 symbols that the next one reads again. They depend on nothing else, so that results do not either.
template <class Visit>
void for_stretches(std::size_t alignments, std::size_t length, Visit&& visit) {
  const std::size_t stretch = std::min<std::size_t>(std::max<std::size_t>(next_pow2(2 * length), 1U << 15), 1U << 20);
  for (std::size_t begin = 0; begin < alignments; begin += stretch) visit(begin, std::min(stretch, alignments - begin));
}

// One call of approx_distances: its arguments, and what it needs to count a stretch exactly.
template <class Code>
struct Request {
  const Code* text;
  std::size_t alignments;
  const Pattern<Code>& pattern;
  const ApproxOptions& options;
  const ApproxEngines<Code>& engines;
  const ApproxCosts& costs;
  double* values;
  std::uint8_t* exact;
  std::vector<std::int32_t> counts;
  std::unique_ptr<typename Engine<Code>::Workspace> workspace = engines.exact->make_workspace();

  std::size_t counted() const noexcept { return pattern.offsets.size(); }

  void count_exactly(std::size_t begin, std::size_t count) {
    counts.resize(std::max(counts.size(), count));
    const Target target{counts.data(), count, false, static_cast<std::int32_t>(counted())};
    engines.exact->count(text + begin, count + pattern.length - 1, begin, {&target, 1}, *workspace);
    std::copy_n(counts.data(), count, values + begin);
    std::fill_n(exact + begin, count, std::uint8_t{1});
  }

  ApproxMethod count_all_exactly() {
    for_stretches(alignments, pattern.length,
                  [&](std::size_t begin, std::size_t count) { count_exactly(begin, count); });
    return ApproxMethod::exact;
  }
};

// The positions of the pattern in random order, cut at the checkpoints.
template <class Code>
std::vector<Pattern<Code>> samples_of(const Pattern<Code>& pattern, const std::vector<Checkpoint>& checks,
                                      std::uint64_t seed) {
  std::vector<std::uint32_t> order(pattern.offsets.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  PhiloxStream random(seed, order_stream, 0);
  std::vector<Pattern<Code>> samples;
  std::uint32_t taken = 0;
  for (const Checkpoint& check : checks) {
    const std::uint32_t first = taken;
    for (; taken < check.samples; ++taken)
      std::swap(order[taken], order[taken + random.below(static_cast<std::uint32_t>(order.size() - taken))]);
    std::sort(order.begin() + first, order.begin() + taken);
    Pattern<Code>& sample = samples.emplace_back();
    sample.length = pattern.length;
    for (std::uint32_t i = first; i < taken; ++i) {
      sample.offsets.push_back(pattern.offsets[order[i]]);
      sample.codes.push_back(pattern.codes[order[i]]);
    }
  }
  return samples;
}

template <class Code>
class Sampling {
 public:
  Sampling(Request<Code>& request, std::vector<Checkpoint> checks)
      : request_(request),
        checks_(std::move(checks)),
        engine_(request.engines.sampler(samples_of(request.pattern, checks_, request.options.seed))),
        workspace_(engine_->make_workspace()),
        targets_(checks_.size()),
        codes_(request.pattern.length) {
    const Pattern<Code>& pattern = request.pattern;
    if (pattern.offsets.size() < pattern.length) fixed_.resize(pattern.length);
    for (std::size_t i = 0; i < pattern.offsets.size(); ++i) {
      codes_[pattern.offsets[i]] = pattern.codes[i];
      if (!fixed_.empty()) fixed_[pattern.offsets[i]] = static_cast<Code>(~Code{0});
    }
  }

  // Returns whether all were counted exactly in the end. Which checkpoints are looked at depends on the data; as the
  // union bound is over all of them, that is no matter.
  bool stretch(std::size_t begin, std::size_t count) {
    live_.resize(count);
    for (std::uint32_t i = 0; i < count; ++i) live_[i] = i;
    minus_matches_.assign(count, 0);
    look(begin, count, 0, 0);
    std::size_t at = 0;
    for (std::size_t next; (next = next_look(count, at)) != at; at = next) look(begin, count, at + 1, next);
    if (verify_ns(live_.size()) > engine_ns(count)) {
      request_.count_exactly(begin, count);
      return true;
    }
    for (std::uint32_t i : live_) {
      const Code* fixed = fixed_.empty() ? nullptr : fixed_.data();
      const Code* text = request_.text + begin + i;
      request_.values[begin + i] =
          static_cast<double>(request_.engines.verify(text, codes_.data(), fixed, codes_.size()));
      request_.exact[begin + i] = 1;
    }
    return false;
  }

 private:
  // Counts the positions that checkpoints first, ..., last added to the sample, and settles what it can at the last.
  void look(std::size_t begin, std::size_t count, std::size_t first, std::size_t last) {
    std::fill(targets_.begin(), targets_.end(), Target{});
    for (std::size_t k = first; k <= last; ++k) targets_[k] = {minus_matches_.data(), count, true, 0};
    engine_->count(request_.text + begin, count + request_.pattern.length - 1, begin, targets_, *workspace_);

    const auto samples = static_cast<std::int32_t>(checks_[last].samples),
               stop = static_cast<std::int32_t>(checks_[last].stop);
    const auto counted = static_cast<double>(request_.counted());
    std::size_t kept = 0;
    for (std::uint32_t i : live_) {
      const std::int32_t mismatches = samples + minus_matches_[i];
      request_.values[begin + i] = counted * mismatches / samples;
      request_.exact[begin + i] = 0;
      live_[kept] = i;
      kept += mismatches < stop;
    }
    live_.resize(kept);
  }

  // The checkpoint after which the rest is done soonest, if every alignment keeps its share of mismatches; `at` for
  // now.
  std::size_t next_look(std::size_t count, std::size_t at) {
    const std::uint64_t samples = checks_[at].samples;
    fewer_.assign(samples + 2, 0);  // fewer_[x]: the live alignments with fewer than x mismatches
    for (std::uint32_t i : live_) ++fewer_[samples + minus_matches_[i] + 1];
    for (std::size_t x = 1; x < fewer_.size(); ++x) fewer_[x] += fewer_[x - 1];
    std::size_t best = at;
    double best_ns = std::min(verify_ns(live_.size()), engine_ns(count));
    for (std::size_t k = at + 1; k < checks_.size(); ++k) {
      const Checkpoint check = checks_[k];
      const double left = fewer_[ceil_div(check.stop * samples, check.samples)];
      const double to_sample =
          request_.costs.look + request_.costs.sample * static_cast<double>(check.samples - samples);
      const double ns = static_cast<double>(count) * to_sample + std::min(verify_ns(left), engine_ns(count));
      if (ns >= best_ns) continue;
      best = k;
      best_ns = ns;
    }
    return best;
  }

  double verify_ns(double alignments) const noexcept {
    return alignments * request_.costs.verify * static_cast<double>(codes_.size());
  }
  double engine_ns(std::size_t count) const noexcept { return static_cast<double>(count) * request_.costs.exact; }

  Request<Code>& request_;
  std::vector<Checkpoint> checks_;
  std::unique_ptr<Engine<Code>> engine_;
  std::unique_ptr<typename Engine<Code>::Workspace> workspace_;
  std::vector<Target> targets_;
  std::vector<Code> codes_, fixed_;          // the pattern as `verify` takes it
  std::vector<std::int32_t> minus_matches_;  // among the positions sampled so far
  std::vector<std::uint32_t> live_, fewer_;  // live_: alignments that no checkpoint settled, rising
};

template <class Code>
ApproxMethod sample(Request<Code>& request) {
  const ApproxOptions& options = request.options;
  const ApproxCosts& costs = request.costs;
  std::vector<Checkpoint> checks = checkpoints(request.counted(), request.alignments, options.eps, options.delta);
  const bool automatic = options.method == ApproxMethod::automatic;
  if (checks.empty() || (automatic && costs.exact <= costs.look + costs.sample * checks[0].samples))
    return request.count_all_exactly();
  Sampling<Code> sampling(request, std::move(checks));
  // Where samples settled too little they were for nothing: the next stretches are counted exactly, 1, 2, 4, ... of
  // them.
  std::size_t pause = 1, skip = 0;
  for_stretches(request.alignments, request.pattern.length, [&](std::size_t begin, std::size_t count) {
    if (skip > 0) {
      --skip;
      request.count_exactly(begin, count);
    } else if (!sampling.stretch(begin, count)) {
      pause = 1;
    } else if (automatic) {
      skip = pause;
      pause = std::min<std::size_t>(2 * pause, 16);
    }
  });
  const bool all =
      std::all_of(request.exact, request.exact + request.alignments, [](std::uint8_t e) { return e != 0; });
  return all ? ApproxMethod::exact : ApproxMethod::sample;
}

// x -> (a x + b mod 2^64) >> (64 - bits) is pairwise independent on 32-bit x for uniform a and b: Dietzfelbinger,
// "Universal Hashing and k-Wise Independent Random Variables via Integer Arithmetic without Primes", STACS 1996.
struct LetterHash {
  std::uint64_t a, b;
  unsigned bits;

  std::uint8_t operator()(std::uint32_t code) const noexcept {
    return static_cast<std::uint8_t>((a * code + b) >> (64 - bits));
  }
};

LetterHash draw_hash(std::uint64_t seed, std::uint32_t round, unsigned bits) noexcept {
  PhiloxStream random(seed, hash_stream, round);
  std::uint64_t word[2];
  for (std::uint64_t& w : word) {
    w = random.next();
    w = w << 32 | random.next();
  }
  return {word[0], word[1], bits};
}

template <class Code>
std::size_t distinct_letters(const Pattern<Code>& pattern) {
  std::vector<Code> letters = pattern.codes;
  std::sort(letters.begin(), letters.end());
  return static_cast<std::size_t>(std::unique(letters.begin(), letters.end()) - letters.begin());
}

// In B >= 2/eps buckets a mismatch gets lost with probability 1/B, so that by Markov more than eps d of them are lost
// in a round with probability at most 1/(eps B), in all of R rounds with at most (eps B)^-R <= delta / alignments. B is
// a power of two for the hash; it takes R down by as much as it is too large. Rounds go outside so that one engine
// exists at a time.
template <class Code>
ApproxMethod project(Request<Code>& request) {
  const ApproxOptions& options = request.options;
  const Pattern<Code>& pattern = request.pattern;
  unsigned bits = 2;
  while (bits <= 8 && options.eps * (1U << bits) < 2) ++bits;
  if (bits > 8 || distinct_letters(pattern) < std::size_t{1} << bits)  // all else in the text is one letter more
    return request.count_all_exactly();
  const double once = ln(options.eps * (1U << bits));
  const double all = ln(static_cast<double>(request.alignments)) - ln(options.delta);
  const auto rounds = static_cast<std::uint32_t>(std::ceil(all / once));
  const auto counted = static_cast<std::int32_t>(request.counted());
  std::vector<std::uint8_t> buckets;
  std::fill_n(request.values, request.alignments, 0.0);
  for (std::uint32_t round = 0; round < rounds; ++round) {
    const LetterHash hash = draw_hash(options.seed, round, bits);
    std::vector<Pattern<std::uint8_t>> hashed(1);
    hashed[0].length = pattern.length;
    hashed[0].offsets = pattern.offsets;
    hashed[0].codes.resize(pattern.codes.size());
    std::transform(pattern.codes.begin(), pattern.codes.end(), hashed[0].codes.begin(), hash);
    const std::unique_ptr<Engine<std::uint8_t>> engine = request.engines.projected(std::move(hashed));
    const auto workspace = engine->make_workspace();
    for_stretches(request.alignments, pattern.length, [&](std::size_t begin, std::size_t count) {
      buckets.resize(count + pattern.length - 1);
      request.counts.resize(std::max(request.counts.size(), count));
      std::transform(request.text + begin, request.text + begin + buckets.size(), buckets.begin(), hash);
      const Target target{request.counts.data(), count, false, counted};
      engine->count(buckets.data(), buckets.size(), begin, {&target, 1}, *workspace);
      double* values = request.values + begin;
      for (std::size_t i = 0; i < count; ++i) values[i] = std::max(values[i], static_cast<double>(request.counts[i]));
    });
  }
  for (std::size_t i = 0; i < request.alignments; ++i)
    request.exact[i] = request.values[i] == counted;  // value <= d <= counted
  return ApproxMethod::project;
}

void check_share(const char* name, double value) {
  if (value > 0 && value < 1) return;
  throw std::invalid_argument(std::string(name) + " must be above 0 and below 1, got " + std::to_string(value));
}

}  // namespace

std::vector<Checkpoint> checkpoints(std::size_t counted, std::size_t alignments, double eps, double delta) {
  // Steps of at most a quarter, in sixteens for the adders of the bit planes. No further than half of the pattern: all
  // of it costs no more than twice that.
  std::vector<std::uint32_t> samples;
  for (std::uint32_t s = 64; s <= counted / 2; s += std::max<std::uint32_t>(16, s / 64 * 16)) samples.push_back(s);
  // Each of two ways to be wrong may have delta / (2 alignments checkpoints).
  const double cases = 2.0 * static_cast<double>(alignments) * static_cast<double>(samples.size());
  std::vector<Checkpoint> checks;
  if (samples.empty() || alignments == 0) return checks;
  const double bound = ln(cases) - ln(delta);
  for (std::uint32_t s : samples) {
    if (!settles(s, s, eps, bound)) continue;
    std::uint32_t fails = 0, stop = s;
    while (stop - fails > 1) {
      const std::uint32_t middle = fails + (stop - fails) / 2;
      (settles(middle, s, eps, bound) ? stop : fails) = middle;
    }
    checks.push_back({s, stop});
  }
  return checks;
}

template <class Code>
ApproxMethod approx_distances(const Code* text, std::size_t n, const Pattern<Code>& pattern,
                              const ApproxOptions& options, const ApproxEngines<Code>& engines,
                              const ApproxCosts& costs, Span<double> values, Span<std::uint8_t> exact) {
  check_share("eps", options.eps);
  check_share("delta", options.delta);
  if (n < pattern.length) return ApproxMethod::exact;
  Request<Code> request{text,  n - pattern.length + 1, pattern,      options, engines,
                        costs, values.data(),          exact.data(), {}};
  switch (options.method) {
    case ApproxMethod::exact: return request.count_all_exactly();
    case ApproxMethod::project: return project(request);
    case ApproxMethod::automatic:
    case ApproxMethod::sample: break;
  }
  return sample(request);
}

template ApproxMethod approx_distances(const std::uint8_t*, std::size_t, const Pattern<std::uint8_t>&,
                                       const ApproxOptions&, const ApproxEngines<std::uint8_t>&, const ApproxCosts&,
                                       Span<double>, Span<std::uint8_t>);
template ApproxMethod approx_distances(const std::uint16_t*, std::size_t, const Pattern<std::uint16_t>&,
                                       const ApproxOptions&, const ApproxEngines<std::uint16_t>&, const ApproxCosts&,
                                       Span<double>, Span<std::uint8_t>);
template ApproxMethod approx_distances(const std::uint32_t*, std::size_t, const Pattern<std::uint32_t>&,
                                       const ApproxOptions&, const ApproxEngines<std::uint32_t>&, const ApproxCosts&,
                                       Span<double>, Span<std::uint8_t>);

}  // namespace pyalgo::hamming

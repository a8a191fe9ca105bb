// Text-to-pattern Hamming distances: D[i] = #{j : text[i + j] != pattern[j]} for every alignment i in [0, n - m].
//
// T. M. Chan, C. Jin, V. Vassilevska Williams, Y. Xu: "Faster Algorithms for Text-to-Pattern Hamming Distances", FOCS
// 2023. Their bound is O(n sqrt m); the engines under src/hamming/ meet it or beat it in the ranges where each is
// chosen, and their own method is one of them (Method::sumset). Every method gives the same, exact counts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "pyalgo/simd.hpp"
#include "pyalgo/snapshot.hpp"
#include "pyalgo/span.hpp"

namespace pyalgo::hamming {

// How symbols lie in memory: integers of 1, 2, 4 or 8 bytes. Symbols are equal where their values are, whatever their
// types.
struct SymbolType {
  std::uint8_t width = 1;
  bool is_signed = false;
};

// A run of symbols, borrowed.
struct Text {
  const void* data = nullptr;
  std::size_t size = 0;
  SymbolType type;

  // From symbol `first` on, `count` of them.
  Text slice(std::size_t first, std::size_t count) const noexcept {
    return {static_cast<const unsigned char*>(data) + first * type.width, count, type};
  }
};

// Values as 64 bits, signed ones sign-extended.
std::vector<std::uint64_t> values_of(const Text& text);

// A pattern: the value at each place, and which places count (the others are wildcards).
struct PatternValues {
  std::vector<std::uint64_t> values;
  std::vector<bool> counts;
};

enum class Method : std::uint8_t { automatic, compare, bitslice, ntt, fft, split, periodic, sumset };
constexpr Method kMethods[] = {Method::compare, Method::bitslice, Method::ntt,   Method::fft,
                               Method::split,   Method::periodic, Method::sumset};
const char* name(Method method) noexcept;

// Alignments and their distances, side by side.
struct Hits {
  std::vector<std::int64_t> positions;
  std::vector<std::int32_t> distances;

  std::size_t size() const noexcept { return positions.size(); }
  void push_back(std::int64_t position, std::int32_t distance) {
    positions.push_back(position);
    distances.push_back(distance);
  }
  void append(const std::int64_t* new_positions, const std::int32_t* new_distances, std::size_t n) {
    positions.insert(positions.end(), new_positions, new_positions + n);
    distances.insert(distances.end(), new_distances, new_distances + n);
  }
  void reserve(std::size_t n) {
    positions.reserve(n);
    distances.reserve(n);
  }
  void resize(std::size_t n) {
    positions.resize(n);
    distances.resize(n);
  }
};

// Distances as the caller wants them; the memory holds n - m + 1 values.
struct Output {
  enum class Type : std::uint8_t { int32, uint16, int64 };
  void* data = nullptr;
  Type type = Type::int32;
};

// How much slower or faster each method is here than the shipped cost model says: by Method, and for `automatic` that
// of the bounded search. They decide which method is chosen, never a result.
constexpr std::size_t kCostFactors = 8;
void set_cost_factors(const std::array<double, kCostFactors>& factors);

// What a method is predicted to cost on one core.
struct Prediction {
  Method method;
  double ns;  // a text position
};

enum class ApproxMethod { automatic, exact, sample, project };

struct ApproxOptions {
  double eps = 0.1;     // in (0, 1)
  double delta = 1e-6;  // in (0, 1): the probability that any alignment at all is outside its bounds
  ApproxMethod method = ApproxMethod::automatic;
  std::uint64_t seed = 0;
};

struct SumsetInfo {
  std::uint32_t rounds = 0;           // primes drawn, all levels together
  std::uint32_t overflow_rounds = 0;  // rounds in which some sum had overflowed p0
  std::vector<std::uint64_t> primes;  // those drawn, in order
};

struct SumsetCounts {
  std::vector<std::int64_t> values;  // rising
  std::vector<std::int64_t> counts;  // positive
  SumsetInfo info;
};

// The multiset {x + y}: every value that occurs and how often. Exact; only the time is random (Las Vegas).
//
// x and y are sets of numbers in [0, universe), in any order; std::invalid_argument says which number is out of range
// or there twice. `p0` 0: a prime of about 64 |x| |y| / universe, far above a typical count. With p0 beyond min(|x|,
// |y|) nothing can overflow and no round is needed. O(width log width) time a round and O(width) memory, width the
// range that x and y span together; numbers further apart than 2^25 are counted block by block, in time that grows with
// the pairs of blocks they are in.
SumsetCounts sumset_counts(Span<const std::int64_t> x, Span<const std::int64_t> y, std::uint64_t universe,
                           std::uint64_t seed, std::uint32_t p0 = 0);

class Prepared;

// Patterns of any lengths, to be held against any number of texts; what was computed about the patterns is kept, and
// what is computed about a text is shared by all of them. Immutable to its users: any number of threads may use one
// plan.
//
// Memory besides the output: at most 64 MiB a thread, whatever n. With `threads` the text is cut into as many
// stretches, and no bit of the result depends on it.
class Plan {
 public:
  Plan(std::vector<PatternValues> patterns, std::optional<std::uint64_t> text_wildcard, Method method);
  ~Plan();

  std::size_t n_patterns() const noexcept { return patterns_.size(); }
  std::size_t length(std::size_t pattern) const noexcept { return patterns_[pattern].values.size(); }

  // D of every pattern; with k, what exceeds k is given as k + 1.
  void distances(const Text& text, Span<const Output> outputs, std::optional<std::int64_t> k, unsigned threads) const;

  // The alignments at which a pattern has at most k mismatches, in rising order; at most `limit` of them.
  Hits find(std::size_t pattern, const Text& text, std::int64_t k, std::size_t limit, unsigned threads) const;

  // The `top` alignments of least distance, the earlier first among equals.
  Hits best(std::size_t pattern, const Text& text, std::size_t top) const;

  // Values within a factor of 1 +- eps of the distances, all of them with probability 1 - delta, and which are the
  // distances themselves; n - m + 1 of both. Returns what was used.
  ApproxMethod approximate(std::size_t pattern, const Text& text, const ApproxOptions& options, Span<double> values,
                           Span<std::uint8_t> exact) const;

  // What every method that can serve would cost, the cheapest first; `text` may be a sample of `n` symbols.
  std::vector<Prediction> explain(const Text& text, std::size_t n) const;

 private:
  const Prepared& prepared(SymbolType type) const;

  std::vector<PatternValues> patterns_;
  std::optional<std::uint64_t> text_wildcard_;
  Method method_;
  mutable std::mutex mutex_;
  mutable std::vector<std::pair<SymbolType, std::unique_ptr<Prepared>>> prepared_;  // one a type of text met so far
};

// What a stream settled: the distances of consecutive alignments, or, with k, those of them within k.
struct Chunk {
  std::uint64_t start = 0;  // the first alignment that is settled here
  std::uint64_t count = 0;  // how many are
  Hits hits;                // without k, of every alignment, and no positions
};

// A pattern held against a text that arrives in pieces. Every alignment is settled once, as soon as its last symbol is
// there; with `latency` up to so many wait until latency + 1 of them can be counted together.
//
// Memory: the last m - 1 + latency codes twice, a piece of 2^15 codes and the engine's workspace, whatever the length
// of the text.
class Stream {
 public:
  struct Settings {
    PatternValues pattern;
    std::optional<std::uint64_t> text_wildcard;
    SymbolType type;
    bool is_str = false;  // pieces come as unsigned code points of 1, 2 or 4 bytes
    std::optional<std::int64_t> k;
    std::size_t latency = 0;
    bool keep_head = false;  // so that another stream can be merged with this one behind it
    Method method = Method::automatic;
  };
  struct Stats {
    std::uint64_t n_seen = 0, n_emitted = 0, n_within_k = 0;
    bool has_best = false;
    std::int32_t best_distance = 0;
    std::uint64_t best_position = 0;
  };

  explicit Stream(Settings settings);
  ~Stream();

  Chunk update(const Text& piece);
  Chunk flush();
  // `other` has seen the text that follows, from its beginning, with an equal pattern and k and keep_head. Settles the
  // alignments in between; after it, this is the stream over both.
  Chunk merge(const Stream& other);
  Stats stats() const noexcept;
  std::size_t nbytes() const noexcept;

  void save(SnapshotWriter& out) const;
  void load(SnapshotReader& in);

  class State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace pyalgo::hamming

// Engine E7: distances within a factor of 1 +- eps, for every alignment at once with probability 1 - delta.
//
// sample   counts mismatches at a random sample of the pattern's positions until a Chernoff bound settles the
// alignment; few
//          mismatches are counted exactly. Pays for long patterns over large alphabets.
// project  Kopelowitz and Porat, "A Simple Algorithm for Approximating the Text-To-Pattern Hamming Distance", SOSA
// 2018: hashes
//          the letters to O(1/eps) buckets and takes the maximum over rounds. One-sided: an estimate is never above the
//          distance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "compare.hpp"
#include "engine.hpp"
#include "pyalgo/hamming.hpp"
#include "pyalgo/span.hpp"

namespace pyalgo::hamming {

// Nanoseconds. They decide which alignments are sampled and how far, hence the values: the same seed gives the same
// bytes everywhere only if these come from a fixed table, not from a measurement or from the machine's ISA level.
struct ApproxCosts {
  double exact;          // counting the whole pattern, for each alignment
  double look = 1;       // going through a checkpoint, for each alignment
  double sample = 0.01;  // comparing one sampled position, for each alignment
  double verify = 0.01;  // one symbol in `verify` below
};

template <class Code>
using EngineFactory = std::function<std::unique_ptr<Engine<Code>>(std::vector<Pattern<Code>>)>;

template <class Code>
struct ApproxEngines {
  const Engine<Code>* exact = nullptr;  // for this one pattern
  CompareOne<Code> verify = nullptr;
  // For sample. Gets patterns that share nothing, one for the positions between each two checkpoints; several targets
  // of one call accumulate into the same memory, so it must count pattern by pattern.
  EngineFactory<Code> sampler;
  EngineFactory<std::uint8_t> projected;  // for project; for one pattern of codes below 256
};

// values[i] is in [(1 - eps) d, (1 + eps) d], d being the distance at alignment i of n - length + 1 (none if n <
// length); it is d itself where exact[i] is 1, and where d = 0. By `project`, values[i] <= d. Returns what was used:
// `exact` if all are.
//
// `automatic` is `exact` or `sample`: projection takes log(alignments / delta) exact counts over 2 / eps letters or
// more, which was never the cheapest. Where sampling is no help `sample` counts exactly too, and so does `project` if
// the letters are as few as its buckets or eps is under 1/128. Memory: O(length) and at most 16 MiB, besides the
// engines.
template <class Code>
ApproxMethod approx_distances(const Code* text, std::size_t n, const Pattern<Code>& pattern,
                              const ApproxOptions& options, const ApproxEngines<Code>& engines,
                              const ApproxCosts& costs, Span<double> values, Span<std::uint8_t> exact);

// An alignment with at least `stop` mismatches among the first `samples` positions of the random order is settled
// there.
struct Checkpoint {
  std::uint32_t samples;
  std::uint32_t stop;  // at most `samples`
};

// Those of a pattern with `counted` positions, in rising order, with stop / samples falling; none if sampling cannot
// help. The probability that one alignment is settled wrongly at one of them is at most delta / (alignments *
// checkpoints).
std::vector<Checkpoint> checkpoints(std::size_t counted, std::size_t alignments, double eps, double delta);

}  // namespace pyalgo::hamming

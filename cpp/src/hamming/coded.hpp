// Patterns in the codes of one type of text, with the engines that were built for them: what plans and streams share.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "alphabet.hpp"
#include "bounded.hpp"
#include "cost.hpp"
#include "engine.hpp"
#include "periodic.hpp"
#include "pyalgo/hamming.hpp"

namespace pyalgo::hamming {

template <class Code>
class Coded {
 public:
  // Increments a text position of the periodic engine, and the period at which they are so few (0: that of each
  // pattern).
  struct PeriodicWork {
    double increments;
    std::size_t period;
  };

  // The buffers of one thread.
  struct Workspace {
    std::shared_ptr<const Engine<Code>> engine, wildcard_engine;
    std::unique_ptr<typename Engine<Code>::Workspace> letters, wildcards;
  };

  Coded(const std::vector<PatternValues>& patterns, std::optional<std::uint64_t> text_wildcard, Alphabet alphabet);

  const Alphabet& alphabet() const noexcept { return alphabet_; }
  const Pattern<Code>& pattern(std::size_t p) const noexcept { return patterns_[p]; }
  std::size_t n_patterns() const noexcept { return patterns_.size(); }
  std::size_t longest() const noexcept { return longest_; }
  std::size_t shortest() const noexcept { return shortest_; }
  bool has_wildcard() const noexcept { return wildcard_.has_value(); }

  // The method asked for, or that of least predicted cost for `alignments` of a text of which `sample` is a part.
  Method choose(Method asked, std::size_t alignments, Span<const Code> sample) const;
  std::vector<Prediction> predictions(std::size_t alignments, Span<const Code> sample, const Costs& costs,
                                      bool streamed = false) const;
  Load load(std::size_t alignments, Span<const Code> sample, const Costs& costs) const;
  // Whether to look for alignments within k only is predicted to be cheaper than to count all.
  bool prefers_bounded(std::int64_t k, std::size_t alignments, Span<const Code> sample) const;

  Workspace workspace(Method method, Span<const Code> sample) const;

  // out[p][i] = mismatches of pattern p at alignment i; counts[p] alignments of each.
  void distances(const Code* codes, std::size_t size, std::uint64_t position, Span<std::int32_t* const> out,
                 Span<const std::size_t> counts, Workspace& workspace) const;

  std::shared_ptr<const Engine<Code>> engine(Method method, Span<const Code> sample) const;
  std::unique_ptr<BoundedSearch<Code>> bounded(std::size_t p, std::int64_t k, Span<const Code> sample) const;

 private:
  void count_letters();
  std::vector<double> densities(Span<const Code> sample) const;
  PeriodicWork periodic_work(Span<const Code> sample, double at_most) const;

  Alphabet alphabet_;
  std::vector<Pattern<Code>> patterns_;
  std::optional<Code> wildcard_;                 // of the text
  std::vector<Pattern<Code>> facing_wildcards_;  // with one: every place that counts, holding its code
  std::size_t longest_ = 0, shortest_ = SIZE_MAX;
  std::vector<Code> letters_;          // of all patterns, rising
  std::vector<std::uint32_t> places_;  // that hold each
  mutable std::mutex mutex_;
  mutable std::array<std::shared_ptr<const Engine<Code>>, 8> engines_;
  mutable std::shared_ptr<const Engine<Code>> wildcard_engine_;
};

}  // namespace pyalgo::hamming

// Engine E6: only the alignments with at most k mismatches: counts a sample of the pattern's positions in bit planes,
// gives up blocks in which no alignment can still qualify, and verifies the survivors symbol by symbol.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine.hpp"
#include "pyalgo/hamming.hpp"
#include "pyalgo/simd.hpp"

namespace pyalgo::hamming {

// A symbol of the text that matches everything.
template <class Code>
struct TextWildcard {
  bool present = false;
  Code code = 0;
};

// All alignments of text[0, size) at which at most k counted symbols differ, appended to `hits` in rising order.
//
// `exact` is asked instead for a stretch in which the filter lets too much through (periodic or low-complexity text),
// so that a search never costs over 1.1 times an exact count; it counts the same pattern. It must not be given together
// with a wildcard.
template <class Code>
class BoundedSearch {
 public:
  struct Workspace {
    virtual ~Workspace() = default;
  };
  virtual ~BoundedSearch() = default;
  virtual std::unique_ptr<Workspace> make_workspace() const = 0;
  virtual void search(const Code* text, std::size_t size, std::uint64_t position, std::int64_t k, Hits& hits,
                      Workspace& workspace) const = 0;
};

// k is given to each search, so that the best so far can tighten it; `k_planned` decides the sample.
template <class Code>
std::unique_ptr<BoundedSearch<Code>> make_bounded(Pattern<Code> pattern, std::int64_t k_planned,
                                                  TextWildcard<Code> wildcard,
                                                  std::shared_ptr<const Engine<Code>> exact, Isa isa = active_isa());

}  // namespace pyalgo::hamming

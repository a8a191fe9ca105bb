// What every engine of text-to-pattern Hamming distances is: a prepared set of patterns that counts matches along a
// text.
//
// Engines know codes only: 8, 16 or 32 bit integers that stand for symbols and are equal where the symbols are.
// Wildcards of a pattern are positions that it leaves out; wildcards of the text are none of an engine's business (see
// plan.cpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "pyalgo/span.hpp"

namespace pyalgo::hamming {

// The positions of a pattern that count, in rising order, and the code at each.
template <class Code>
struct Pattern {
  std::size_t length = 0;              // of the whole pattern, wildcards included; at least 1
  std::vector<std::uint32_t> offsets;  // rising, each below length; may be empty
  std::vector<Code> codes;             // one for each offset
};

// Where the counts for one pattern go.
struct Target {
  std::int32_t* out = nullptr;
  std::size_t count = 0;    // alignments 0, ..., count - 1; text size >= count + length - 1 unless count is 0
  bool accumulate = false;  // out[i] -= matches[i]; else out[i] = base - matches[i]
  std::int32_t base = 0;
};

// matches[i] = #{(offset, code) of the pattern : text[i + offset] == code}, exactly.
//
// An engine is immutable: any number of threads may count at once, each with a workspace of its own. It reads nothing
// outside text[0, size) and allocates only in make_workspace and in the constructor. All ISA levels give the same
// counts.
template <class Code>
class Engine {
 public:
  // Buffers of one thread; an engine may keep what it learned about earlier text there (spectra of segments).
  struct Workspace {
    virtual ~Workspace() = default;
    virtual std::size_t nbytes() const noexcept = 0;
  };

  virtual ~Engine() = default;
  virtual std::unique_ptr<Workspace> make_workspace() const = 0;

  // text[0] is symbol number `position` of the whole text, and the symbols of one workspace's calls are those of one
  // text: a symbol number always means the same symbol, so what was learned about it in an earlier call holds in a
  // later one. One target for each pattern, in the order of the patterns.
  virtual void count(const Code* text, std::size_t size, std::uint64_t position, Span<const Target> targets,
                     Workspace& workspace) const = 0;
};

}  // namespace pyalgo::hamming

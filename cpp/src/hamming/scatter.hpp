// Engine E4: for every symbol of the text, one increment for each place of the pattern that holds the same letter.
//
// n times (sum over letters of count in P * density in T) increments. The text goes in blocks. Letters that a block
// holds often are worked off letter by letter: places in the block times places in the pattern, eight places of the
// pattern at a time in registers, into a tile of 16-bit counters that lives in the first-level cache; so an increment
// is one instruction, and a mispredicted branch is paid once in eight runs along the block. Rare letters take the text
// in order and count into the output itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "engine.hpp"
#include "letter_index.hpp"

namespace pyalgo::hamming {

// What an increment costs, in ns per symbol of text, for a letter with `count` places in the pattern and `density` in
// the text.
double scatter_cost(double count, double density) noexcept;

template <class Code>
class Scatter {
 public:
  static constexpr std::size_t block = 8192;  // symbols of text; numbers within a block fit 16 bits

  struct Hit {
    std::uint32_t place, letter;  // in the block; the letter's number among the rare ones
  };
  struct Workspace {
    std::vector<std::uint32_t> numbers;   // of the block's symbols' letters
    std::vector<std::uint16_t> places;    // in the block, letter by letter
    std::vector<std::uint32_t> begins;    // letter -> its first one in `places`
    std::vector<Hit> rare;                // those of the block's symbols that are rare letters,
    std::size_t rare_size = 0;            // so many
    std::vector<std::uint16_t> counters;  // the tile; all zero between uses
    std::size_t nbytes() const noexcept;
  };

  // `density(code)`: the share of the text that is expected to be this letter; it decides how the letter is counted,
  // not what. No letters, no work: an empty Scatter is fine.
  Scatter(const std::vector<Pattern<Code>>& patterns, const std::function<double(Code)>& density);

  Workspace make_workspace() const;

  // out[i] -= matches[i], whatever `accumulate` and `base` say.
  void subtract(const Code* text, std::size_t size, Span<const Target> targets, Workspace& workspace) const;

 private:
  static constexpr std::size_t segment = 8192;  // symbols of pattern in a tile
  static constexpr std::size_t reach =
      3 * segment / 2;                      // a batch begins in its segment but may end this far from its begin
  static constexpr std::size_t widest = 8;  // places in a batch

  // Batches of w places are w + 1 words: the letter's number, then the places, from the segment's begin. Those of
  // segment s with w places are words [begins[9 s + w], begins[9 s + w + 1]); of one width they stand together so that
  // no branch depends on the width.
  struct Frequent {
    std::vector<std::uint32_t> words;
    std::vector<std::size_t> begins;
  };
  // offsets[begins[l], begins[l + 1]): the places of rare letter l.
  struct Rare {
    std::vector<std::uint32_t> begins, offsets;
  };
  struct Lists {
    std::size_t length;
    Frequent frequent;
    Rare rare;
  };

  Lists make_lists(const Pattern<Code>& pattern) const;
  Frequent make_frequent(const std::vector<std::vector<std::uint32_t>>& places, std::size_t length) const;
  void sort_block(const Code* text, std::size_t size, Workspace& workspace) const;
  void count_tiles(const Frequent& lists, std::size_t start, std::size_t size, const Target& target,
                   Workspace& workspace) const;
  void count_rare(const Rare& lists, std::size_t start, const Target& target, const Workspace& workspace) const;

  LetterIndex<Code> index_;     // frequent letters first
  std::uint32_t frequent_ = 0;  // how many
  std::vector<Lists> lists_;
};

}  // namespace pyalgo::hamming

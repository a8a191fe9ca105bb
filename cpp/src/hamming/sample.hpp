// Which symbols of a pattern the k-bounded search counts: few letters, rare in the text, spread over the whole pattern.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine.hpp"

namespace pyalgo::hamming {

template <class Code>
struct Sample {
  struct Letter {
    Code code;
    std::uint8_t copies = 0;  // bit s: some place has offset % 8 == s
  };
  struct Place {
    std::uint32_t letter;  // index of letters
    std::uint32_t offset;
  };
  std::vector<Letter> letters;
  std::vector<Place> places;  // in the order in which to count them: any stretch of it is as mixed as the whole
  bool rejects = false;   // random text of these rates has over k mismatches there, but for 1 alignment in 500 or so
  std::size_t reach = 0;  // 1 + the largest offset
};

// How often each letter of the pattern occurs in the text, from the first symbols of the text; the pattern itself
// counts as 64 symbols more, so that a short text misleads little.
template <class Code>
struct Rates {
  std::vector<Code> letters;  // rising
  std::vector<double> rate;
};
template <class Code>
Rates<Code> letter_rates(const Pattern<Code>& pattern, const Code* text, std::size_t size);

template <class Code>
Sample<Code> choose_sample(const Pattern<Code>& pattern, const Rates<Code>& rates, std::int64_t k);

}  // namespace pyalgo::hamming

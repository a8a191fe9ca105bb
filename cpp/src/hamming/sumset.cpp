#include "sumset.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "sumset_counter.hpp"

namespace pyalgo::hamming {

namespace {

constexpr std::uint64_t block = std::uint64_t{1} << 25;  // numbers in one call of the counter

std::vector<std::uint64_t> sorted_set(Span<const std::int64_t> numbers, std::uint64_t universe, const char* name) {
  std::vector<std::uint64_t> sorted;
  sorted.reserve(numbers.size());
  for (std::int64_t number : numbers) {
    if (number < 0 || static_cast<std::uint64_t>(number) >= universe)
      throw std::invalid_argument(std::string(name) + " has " + std::to_string(number) +
                                  ": must be in [0, universe), universe = " + std::to_string(universe));
    sorted.push_back(static_cast<std::uint64_t>(number));
  }
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end())
    throw std::invalid_argument(std::string(name) + " has " + std::to_string(*twice) + " twice: must be a set");
  return sorted;
}

// A part of a set: `first` and what each number is above it.
struct Part {
  std::uint64_t first;
  std::vector<std::uint32_t> above;
};

std::vector<Part> split_set(const std::vector<std::uint64_t>& sorted) {
  std::vector<Part> parts;
  for (std::uint64_t number : sorted) {
    if (parts.empty() || number - parts.back().first >= block) parts.push_back({number, {}});
    parts.back().above.push_back(static_cast<std::uint32_t>(number - parts.back().first));
  }
  return parts;
}

using Tally = std::vector<std::pair<std::int64_t, std::int64_t>>;

// Adds up the counts of equal values.
void merge_equal(Tally& tally) {
  std::sort(tally.begin(), tally.end());
  std::size_t kept = 0;
  for (const auto& entry : tally) {
    if (kept > 0 && tally[kept - 1].first == entry.first)
      tally[kept - 1].second += entry.second;
    else
      tally[kept++] = entry;
  }
  tally.resize(kept);
}

}  // namespace

SumsetCounts sumset_counts(Span<const std::int64_t> x, Span<const std::int64_t> y, std::uint64_t universe,
                           std::uint64_t seed, std::uint32_t p0) {
  if (p0 == 1) throw std::invalid_argument("p0 is 1: must be 2 or more, or 0 for the default");
  if (universe > std::uint64_t{1} << 62)
    throw std::invalid_argument("universe is " + std::to_string(universe) + ": must be at most 2^62");
  const std::vector<Part> xs = split_set(sorted_set(x, universe, "x")), ys = split_set(sorted_set(y, universe, "y"));
  SumsetCounts result;
  Tally tally;
  std::uint32_t stream = 0;
  for (const Part& a : xs) {
    for (const Part& b : ys) {
      const std::size_t width = std::size_t{a.above.back()} + b.above.back() + 1;
      SumsetCounter counter(width);
      PhiloxStream random(seed, stream++, 0);
      counter.count(a.above, b.above, p0 != 0 ? p0 : SumsetCounter::default_p0(a.above.size(), b.above.size(), width),
                    random, result.info);
      const auto base = static_cast<std::int64_t>(a.first + b.first);
      for (std::size_t z = 0; z < width; ++z)
        if (counter.counts()[z] != 0) tally.emplace_back(base + static_cast<std::int64_t>(z), counter.counts()[z]);
    }
  }
  if (xs.size() > 1 || ys.size() > 1) merge_equal(tally);
  for (const auto& [value, count] : tally) {
    result.values.push_back(value);
    result.counts.push_back(count);
  }
  return result;
}

}  // namespace pyalgo::hamming

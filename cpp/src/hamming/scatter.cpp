#include "scatter.hpp"

#include <algorithm>

namespace pyalgo::hamming {

namespace {

// Fitted on one core of a Zen 3, ns: uniform letters, lengths 4096 to 2^20.
constexpr double ns_increment = 0.65;  // in a tile
constexpr double ns_batch = 8;         // a batch of eight places, each block anew: its loop's exit is mispredicted
constexpr double ns_sort = 4;          // to put one symbol into its letter's list
constexpr double ns_rare_symbol = 10;  // to look up a rare letter's list, most often missing a cache
constexpr double ns_rare_increment = 3;

template <class Code>
constexpr double tile_cost(double count, double density) noexcept {
  return count * density * ns_increment + density * ns_sort + (count / 8 + 1) * ns_batch / Scatter<Code>::block;
}
constexpr double rare_cost(double count, double density) noexcept {
  return density * (ns_rare_symbol + count * ns_rare_increment);
}

void prefetch(const void* at) noexcept {
#if defined(__GNUC__)
  __builtin_prefetch(at);
#else
  (void)at;
#endif
}

void prefetch_counter(const Target& target, std::size_t alignment) noexcept {
  prefetch(target.out + std::min(alignment, target.count - 1));
}

// Batches of W places: every pair of a place in the block and one in the pattern.
template <std::size_t W>
void count_batches(const std::uint32_t* batch, const std::uint32_t* end, const std::uint32_t* begins,
                   const std::uint16_t* places, std::uint16_t* zero) noexcept {
  for (; batch != end; batch += W + 1) {
    std::uint16_t* to[W];
    for (std::size_t w = 0; w < W; ++w) to[w] = zero - batch[w + 1];
    const std::uint16_t* last = places + begins[*batch + 1];
    for (const std::uint16_t* place = places + begins[*batch]; place != last; ++place)
      for (std::size_t w = 0; w < W; ++w) ++to[w][*place];
  }
}

using CountBatches = void (*)(const std::uint32_t*, const std::uint32_t*, const std::uint32_t*, const std::uint16_t*,
                              std::uint16_t*);
constexpr CountBatches count_width[] = {nullptr,          count_batches<1>, count_batches<2>,
                                        count_batches<3>, count_batches<4>, count_batches<5>,
                                        count_batches<6>, count_batches<7>, count_batches<8>};

}  // namespace

double scatter_cost(double count, double density) noexcept {
  return std::min(tile_cost<std::uint8_t>(count, density), rare_cost(count, density));
}

template <class Code>
std::size_t Scatter<Code>::Workspace::nbytes() const noexcept {
  return (numbers.capacity() + begins.capacity()) * 4 + rare.capacity() * sizeof(Hit) +
         (places.capacity() + counters.capacity()) * 2;
}

template <class Code>
Scatter<Code>::Scatter(const std::vector<Pattern<Code>>& patterns, const std::function<double(Code)>& density) {
  std::vector<Code> letters = letters_of<Code>(patterns);
  const LetterIndex<Code> by_code(letters);
  std::vector<double> counts(letters.size());
  for (const Pattern<Code>& pattern : patterns)
    for (Code code : pattern.codes) ++counts[by_code.find(code)];
  const auto frequent = [&](Code code) {
    const double count = counts[by_code.find(code)];
    return tile_cost<Code>(count, density(code)) < rare_cost(count, density(code));
  };
  frequent_ =
      static_cast<std::uint32_t>(std::stable_partition(letters.begin(), letters.end(), frequent) - letters.begin());
  index_ = LetterIndex<Code>(letters);
  for (const Pattern<Code>& pattern : patterns) lists_.push_back(make_lists(pattern));
}

template <class Code>
auto Scatter<Code>::make_lists(const Pattern<Code>& pattern) const -> Lists {
  Lists lists;
  lists.length = pattern.length;
  std::vector<std::vector<std::uint32_t>> places(frequent_);
  std::vector<std::uint32_t>& begins = lists.rare.begins;
  begins.assign(index_.size() - frequent_ + 1, 0);
  std::vector<std::uint32_t> numbers(pattern.codes.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = index_.find(pattern.codes[i]);
    if (numbers[i] < frequent_)
      places[numbers[i]].push_back(pattern.offsets[i]);
    else
      ++begins[numbers[i] - frequent_ + 1];
  }
  for (std::size_t l = 1; l < begins.size(); ++l) begins[l] += begins[l - 1];
  std::vector<std::uint32_t> next = begins;
  lists.rare.offsets.resize(begins.back());
  for (std::size_t i = 0; i < numbers.size(); ++i)
    if (numbers[i] >= frequent_) lists.rare.offsets[next[numbers[i] - frequent_]++] = pattern.offsets[i];
  lists.frequent = make_frequent(places, pattern.length);
  return lists;
}

// A batch takes the letter's next eight places, even beyond the end of the segment, as long as they are within reach:
// cutting every letter's list at every segment would leave many narrow batches.
template <class Code>
auto Scatter<Code>::make_frequent(const std::vector<std::vector<std::uint32_t>>& places, std::size_t length) const
    -> Frequent {
  const std::size_t segments = ceil_div(length, segment);
  std::vector<std::vector<std::uint32_t>> groups(segments * (widest + 1));
  for (std::uint32_t l = 0; l < places.size(); ++l) {
    for (std::size_t i = 0; i < places[l].size();) {
      const std::size_t s = places[l][i] / segment;
      std::size_t width = 1;
      while (width < widest && i + width < places[l].size() && places[l][i + width] < s * segment + reach) ++width;
      std::vector<std::uint32_t>& group = groups[s * (widest + 1) + width];
      group.push_back(l);
      for (std::size_t w = 0; w < width; ++w)
        group.push_back(places[l][i + w] - static_cast<std::uint32_t>(s * segment));
      i += width;
    }
  }
  Frequent frequent;
  frequent.begins.push_back(0);
  for (const auto& group : groups) {
    frequent.words.insert(frequent.words.end(), group.begin(), group.end());
    frequent.begins.push_back(frequent.words.size());
  }
  return frequent;
}

template <class Code>
auto Scatter<Code>::make_workspace() const -> Workspace {
  Workspace workspace;
  if (index_.size() == 0) return workspace;
  workspace.numbers.resize(block);
  workspace.places.resize(block);
  workspace.begins.resize(frequent_ + 3);
  workspace.rare.resize(block);
  workspace.counters.resize(frequent_ > 0 ? block + reach : 0);
  return workspace;
}

// A counting sort of the block's places by letter; all that is not frequent falls into one last list, which nothing
// reads. begins[l + 2] first counts letter l; begins[l + 1] then is the end of what is filled of letter l, and ends as
// the begin of letter l + 1.
template <class Code>
void Scatter<Code>::sort_block(const Code* text, std::size_t size, Workspace& workspace) const {
  std::uint32_t* const numbers = workspace.numbers.data();
  for (std::size_t i = 0; i < size; ++i) numbers[i] = index_.find(text[i]);
  if (frequent_ > 0) {
    std::uint32_t* const begins = workspace.begins.data();
    std::fill(begins, begins + frequent_ + 3, 0);
    for (std::size_t i = 0; i < size; ++i) ++begins[std::min(numbers[i], frequent_) + 2];
    for (std::uint32_t l = 1; l < frequent_ + 3; ++l) begins[l] += begins[l - 1];
    for (std::size_t i = 0; i < size; ++i)
      workspace.places[begins[std::min(numbers[i], frequent_) + 1]++] = static_cast<std::uint16_t>(i);
  }
  workspace.rare_size = 0;
  if (index_.size() > frequent_)
    for (std::size_t i = 0; i < size; ++i) {
      workspace.rare[workspace.rare_size] = {static_cast<std::uint32_t>(i), numbers[i] - frequent_};
      workspace.rare_size += numbers[i] >= frequent_ && numbers[i] < index_.size();
    }
}

// A place x of the block against a place y of segment s adds to alignment start + x - (s * segment + y), which is
// counter x + reach - y: there counter 0 is alignment start - s * segment - reach.
template <class Code>
void Scatter<Code>::count_tiles(const Frequent& lists, std::size_t start, std::size_t size, const Target& target,
                                Workspace& workspace) const {
  std::uint16_t* const counters = workspace.counters.data();
  const std::size_t segments = lists.begins.size() / (widest + 1);
  for (std::size_t s = 0; s < segments; ++s) {
    const std::size_t zero = s * segment + reach;  // alignment of counter c: start + c - zero
    const std::size_t first = zero > start ? zero - start : 0;
    const std::size_t last = std::min(size + reach, target.count + zero > start ? target.count + zero - start : 0);
    if (first >= last) continue;
    for (std::size_t width = 1; width <= widest; ++width) {
      const std::size_t group = s * (widest + 1) + width;
      count_width[width](lists.words.data() + lists.begins[group], lists.words.data() + lists.begins[group + 1],
                         workspace.begins.data(), workspace.places.data(), counters + reach);
    }
    std::int32_t* const out = target.out + (start + first - zero);
    for (std::size_t c = first; c < last; ++c) out[c - first] -= counters[c];
    std::fill(counters, counters + size + reach, std::uint16_t{0});
  }
}

// An alignment before the first one wraps round to a number beyond the last one. Short lists cost their cache misses: a
// list's begin, its places and its first counter are each asked for some hits ahead.
template <class Code>
void Scatter<Code>::count_rare(const Rare& lists, std::size_t start, const Target& target,
                               const Workspace& workspace) const {
  const std::uint32_t* const begins = lists.begins.data();
  const std::uint32_t* const offsets = lists.offsets.data();
  const Hit* const hits = workspace.rare.data();
  const std::size_t size = workspace.rare_size;
  const auto ahead = [&](std::size_t h, std::size_t by) { return hits[std::min(h + by, size - 1)]; };
  for (std::size_t h = 0; h < size; ++h) {
    prefetch(begins + ahead(h, 48).letter);
    prefetch(offsets + begins[ahead(h, 32).letter]);
    const Hit soon = ahead(h, 16);
    const std::uint32_t first = begins[soon.letter];
    if (first < begins[soon.letter + 1]) prefetch_counter(target, start + soon.place - offsets[first]);
    const std::size_t at = start + hits[h].place;
    for (std::uint32_t i = begins[hits[h].letter]; i < begins[hits[h].letter + 1]; ++i)
      if (at - offsets[i] < target.count) --target.out[at - offsets[i]];
  }
}

template <class Code>
void Scatter<Code>::subtract(const Code* text, std::size_t size, Span<const Target> targets,
                             Workspace& workspace) const {
  if (index_.size() == 0) return;
  std::size_t needed = 0;
  for (std::size_t p = 0; p < targets.size(); ++p)
    if (targets[p].count > 0) needed = std::max(needed, targets[p].count + lists_[p].length - 1);
  needed = std::min(needed, size);
  for (std::size_t start = 0; start < needed; start += block) {
    const std::size_t length = std::min(block, needed - start);
    sort_block(text + start, length, workspace);
    for (std::size_t p = 0; p < targets.size(); ++p) {
      if (targets[p].count == 0) continue;
      if (frequent_ > 0) count_tiles(lists_[p].frequent, start, length, targets[p], workspace);
      count_rare(lists_[p].rare, start, targets[p], workspace);
    }
  }
}

template class Scatter<std::uint8_t>;
template class Scatter<std::uint16_t>;
template class Scatter<std::uint32_t>;

}  // namespace pyalgo::hamming

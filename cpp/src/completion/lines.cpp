#include "lines.hpp"

#include <cstring>

namespace pyalgo::completion {

template <class T>
void Lines<T>::lay_out(Span<const std::uint32_t> capacities, bool weighted) {
  std::size_t total = 0;
  for (std::uint32_t capacity : capacities) total += capacity;
  lines_.assign(capacities.size(), {});
  own_.clear();
  index_ = std::vector<std::uint32_t>(total);
  value_ = std::vector<T>(total);
  weight_ = std::vector<T>(weighted ? total : 0);
  weighted_ = weighted;
  cells_ = moved_cells_ = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < capacities.size(); ++i) {
    lines_[i] = {index_.data() + at, value_.data() + at, weighted ? weight_.data() + at : nullptr, 0, capacities[i]};
    at += capacities[i];
  }
}

template <class T>
void Lines<T>::grow(std::size_t lines) {
  if (lines > lines_.capacity()) lines_.reserve(lines + lines / 8);
  lines_.resize(std::max(lines, lines_.size()));
}

template <class T>
void Lines<T>::point(Line<T>& line, unsigned char* block, std::size_t capacity) const noexcept {
  line.value = reinterpret_cast<T*>(block);
  line.weight = weighted_ ? line.value + capacity : nullptr;
  line.index = reinterpret_cast<std::uint32_t*>(line.value + capacity * (weighted_ ? 2 : 1));
  line.capacity = static_cast<std::uint32_t>(capacity);
}

template <class T>
void Lines<T>::reserve(std::size_t line, std::size_t more) {
  Line<T>& at = lines_[line];
  if (at.size + more <= at.capacity) return;
  if (own_.size() < lines_.size()) own_.resize(lines_.size());
  const std::size_t capacity = at.size + more + (at.size + more) / 8 + 2;
  std::unique_ptr<unsigned char[]> block(new unsigned char[capacity * cell_bytes()]);
  Line<T> moved = at;
  point(moved, block.get(), capacity);
  if (at.size > 0) {
    std::memcpy(moved.value, at.value, at.size * sizeof(T));
    if (weighted_) std::memcpy(moved.weight, at.weight, at.size * sizeof(T));
    std::memcpy(moved.index, at.index, at.size * sizeof(std::uint32_t));
  }
  if (!own_[line]) moved_cells_ += at.size;
  own_[line] = std::move(block);
  at = moved;
}

template <class T>
void Lines<T>::apply(Span<const CellChange<T>> changes) noexcept {
  if (changes.empty()) return;
  Line<T>& line = lines_[changes[0].line];
  const auto move = [&](std::size_t from, std::size_t to) {
    line.index[to] = line.index[from];
    line.value[to] = line.value[from];
    if (weighted_) line.weight[to] = line.weight[from];
  };
  const auto put = [&](std::size_t to, const CellChange<T>& change) {
    line.index[to] = change.index;
    line.value[to] = change.value;
    if (weighted_) line.weight[to] = change.weight;
  };
  // What is there already, from the front: overwritten, or closed up.
  std::size_t to = 0, from = 0, inserted = 0;
  for (const CellChange<T>& change : changes) {
    if (!change.present) {
      inserted += change.erase ? 0 : 1;
      continue;
    }
    const std::size_t place = static_cast<std::size_t>(
        std::lower_bound(line.index + from, line.index + line.size, change.index) - line.index);
    if (to == from) to = from = place;
    for (; from < place; ++from, ++to) move(from, to);
    if (!change.erase) put(to++, change);
    ++from;
  }
  if (to == from) to = from = line.size;
  for (; from < line.size; ++from, ++to) move(from, to);
  // What is new, from the back.
  cells_ = cells_ - line.size + to + inserted;
  line.size = static_cast<std::uint32_t>(to + inserted);
  std::size_t end = line.size;
  for (std::size_t i = changes.size(); i-- > 0 && inserted > 0;) {
    const CellChange<T>& change = changes[i];
    if (change.present || change.erase) continue;
    while (to > 0 && line.index[to - 1] > change.index) move(--to, --end);
    put(--end, change);
    --inserted;
  }
}

template <class T>
void Lines<T>::give_weights() {
  if (weighted_) return;
  std::vector<std::uint32_t> sizes;
  for (const Line<T>& line : lines_) sizes.push_back(line.size);
  Lines<T> with;
  with.lay_out(sizes, true);
  for (std::size_t i = 0; i < lines_.size(); ++i)
    for (std::size_t t = 0; t < lines_[i].size; ++t) with.append(i, lines_[i].index[t], lines_[i].value[t], 1);
  *this = std::move(with);
}

template <class T>
void Lines<T>::compact() {
  std::vector<std::uint32_t> sizes;
  for (const Line<T>& line : lines_) sizes.push_back(line.size);
  Lines<T> tight;
  tight.lay_out(sizes, weighted_);
  for (std::size_t i = 0; i < lines_.size(); ++i)
    for (std::size_t t = 0; t < lines_[i].size; ++t)
      tight.append(i, lines_[i].index[t], lines_[i].value[t], weighted_ ? lines_[i].weight[t] : 1);
  *this = std::move(tight);
}

template <class T>
std::size_t Lines<T>::nbytes() const noexcept {
  std::size_t bytes =
      lines_.capacity() * sizeof(Line<T>) + own_.capacity() * sizeof(own_[0]) + index_.size() * cell_bytes();
  for (std::size_t i = 0; i < own_.size(); ++i)
    if (own_[i]) bytes += lines_[i].capacity * cell_bytes();
  return bytes;
}

template <class T>
Lines<T> transposed(const Lines<T>& lines, std::size_t n) {
  std::vector<std::uint32_t> sizes(n);
  for (std::size_t i = 0; i < lines.size(); ++i)
    for (std::size_t t = 0; t < lines[i].size; ++t) ++sizes[lines[i].index[t]];
  Lines<T> other;
  other.lay_out(sizes, lines.weighted());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Line<T>& line = lines[i];
    for (std::size_t t = 0; t < line.size; ++t)
      other.append(line.index[t], static_cast<std::uint32_t>(i), line.value[t],
                   line.weight != nullptr ? line.weight[t] : 1);
  }
  return other;
}

template class Lines<float>;
template class Lines<double>;
template Lines<float> transposed(const Lines<float>&, std::size_t);
template Lines<double> transposed(const Lines<double>&, std::size_t);

}  // namespace pyalgo::completion

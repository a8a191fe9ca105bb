// Arrays that make up most of a state.
#pragma once

#include <utility>
#include <vector>

namespace pyalgo {

// push_back that grows by an eighth where std::vector doubles: up to 1/9 of the memory is unused instead of 1/2, for eight
// copies of an element in its life instead of one.
template <class T>
void push_tight(std::vector<T>& values, T value) {
  if (values.size() == values.capacity()) values.reserve(values.size() + values.size() / 8 + 4);
  values.push_back(std::move(value));
}

}  // namespace pyalgo

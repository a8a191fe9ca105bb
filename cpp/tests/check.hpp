// The one macro of the C++ tests: unlike assert it stays in release builds.
#pragma once

#include <cstdio>
#include <cstdlib>

#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      std::fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                                 \
    }                                                                               \
  } while (false)

template <class Error, class Action>
bool throws(Action&& action) {
  try {
    action();
  } catch (const Error&) {
    return true;
  }
  return false;
}

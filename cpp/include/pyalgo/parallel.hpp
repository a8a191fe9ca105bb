// Loops over threads whose results do not depend on how many threads there are.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <system_error>
#include <thread>
#include <vector>

#include "pyalgo/bits.hpp"

namespace pyalgo {

// Calls work(begin, end) for consecutive chunks of [0, n), `grain` long but for the last, on up to `threads` threads.
//
// The chunks depend on n and grain alone, so whoever keeps one partial result a chunk and combines them in order gets
// the same bits on any number of threads. Of exceptions, that of the lowest chunk is thrown, after all threads ended.
template <class Work>
void parallel_for(std::size_t n, std::size_t grain, unsigned threads, Work&& work) {
  grain = std::max<std::size_t>(grain, 1);
  const std::size_t chunks = ceil_div(n, grain);
  if (chunks == 0) return;
  std::vector<std::exception_ptr> thrown(chunks);
  std::atomic<std::size_t> next{0};
  const auto drain = [&]() noexcept {
    for (std::size_t chunk; (chunk = next.fetch_add(1, std::memory_order_relaxed)) < chunks;) {
      try {
        work(chunk * grain, std::min(n, (chunk + 1) * grain));
      } catch (...) {
        thrown[chunk] = std::current_exception();
      }
    }
  };
  std::vector<std::thread> pool;
  const std::size_t helpers = std::min<std::size_t>(std::max(threads, 1U), chunks) - 1;
  pool.reserve(helpers);
  try {
    while (pool.size() < helpers) pool.emplace_back(drain);
  } catch (const std::system_error&) {  // the machine gives no more threads: those there are do the same chunks
  }
  drain();
  for (std::thread& thread : pool) thread.join();
  for (const std::exception_ptr& error : thrown)
    if (error) std::rethrow_exception(error);
}

}  // namespace pyalgo

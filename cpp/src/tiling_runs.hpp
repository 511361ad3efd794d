#pragma once

// What summing and gathering windows have in common.

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "cemvis/parallel.hpp"
#include "cemvis/tiling.hpp"

namespace cemvis {

inline void check_window_size(Extent window) {
  if (window.rows < 1 || window.cols < 1 || window.rows > kLargestWindow || window.cols > kLargestWindow) {
    throw std::invalid_argument("a window must be 1 to " + std::to_string(kLargestWindow) + " pixels long and wide");
  }
}

inline void check_threads(int threads) {
  if (threads < 1) {
    throw std::invalid_argument("threads must be at least 1");
  }
}

// As many threads as have enough to do to be worth their start.
inline int useful_threads(int threads, std::int64_t pixels) {
  constexpr std::int64_t pixels_per_thread = 262144;
  return static_cast<int>(std::min<std::int64_t>(threads, pixels / pixels_per_thread + 1));
}

// Calls body(begin, end) for runs of windows that are long enough to share out.
template <class Body>
void for_runs_of_windows(std::int64_t count, Extent window, int threads, const Body& body) {
  const std::int64_t pixels = window.rows * window.cols;
  const std::int64_t run = 65536 / pixels + 1;
  parallel_for((count + run - 1) / run, useful_threads(threads, count * pixels),
               [&](std::int64_t k) { body(k * run, std::min(count, (k + 1) * run)); });
}

}  // namespace cemvis

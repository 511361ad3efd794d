#include <atomic>
#include <stdexcept>
#include <vector>

#include "cemvis/parallel.hpp"
#include "check.hpp"

int main() {
  for (const int threads : {1, 2, 4, 7}) {
    for (const int count : {0, 1, 2, 3, 1003}) {
      std::vector<std::atomic<int>> calls(static_cast<std::size_t>(count));
      cemvis::parallel_for(count, threads, [&](std::int64_t i) { ++calls[static_cast<std::size_t>(i)]; });
      for (const auto& n : calls) {
        CEMVIS_CHECK(n == 1);
      }
    }
    CEMVIS_CHECK_THROWS(cemvis::parallel_for(100, threads,
                                             [](std::int64_t i) {
                                               if (i == 17) {
                                                 throw std::runtime_error("seventeen");
                                               }
                                             }),
                        std::runtime_error);
  }
  CEMVIS_CHECK_THROWS(cemvis::parallel_for(3, 0, [](std::int64_t) {}), std::invalid_argument);
}

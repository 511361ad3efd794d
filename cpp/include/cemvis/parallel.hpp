#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

namespace cemvis {

// Calls body(i) once for each i in [0, count) on up to `threads` threads, the caller's among them, handing out
// indices in rising order. The first exception thrown by a body is thrown again here once all threads have ended.
//
// Threads live for one call. A resident pool would be global state that a fork() breaks, and starting a thread
// costs some 20 microseconds where a kernel call costs milliseconds. OpenMP is not used because torch and
// scikit-learn each load a runtime of their own.
template <class Body>
void parallel_for(std::int64_t count, int threads, const Body& body) {
  if (threads < 1) {
    throw std::invalid_argument("threads must be at least 1");
  }
  const auto workers = std::min<std::int64_t>(threads, count);
  if (workers <= 1) {
    for (std::int64_t i = 0; i < count; ++i) {
      body(i);
    }
    return;
  }
  std::atomic<std::int64_t> next{0};
  std::exception_ptr failure;
  std::mutex failure_lock;
  const auto work = [&] {
    try {
      for (std::int64_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) {
        body(i);
      }
    } catch (...) {
      next.store(count);
      const std::scoped_lock hold(failure_lock);
      if (!failure) {
        failure = std::current_exception();
      }
    }
  };
  std::vector<std::thread> team;
  team.reserve(static_cast<std::size_t>(workers - 1));
  try {
    for (std::int64_t t = 1; t < workers; ++t) {
      team.emplace_back(work);
    }
  } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch)
    // The system grants no more threads: those there are do the work, if need be the caller's alone.
  }
  work();
  for (auto& member : team) {
    member.join();
  }
  if (failure) {
    std::rethrow_exception(failure);
  }
}

}  // namespace cemvis

#include <atomic>
#include <stdexcept>
#include <vector>

#include "cemvis/parallel.hpp"
#include "check.hpp"

#ifdef __linux__
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace {

#ifdef __linux__
// A process that is refused any thread. The limit does not bind root, so root gives up its rights first.
void no_thread_to_be_had() {
  const pid_t child = fork();
  CEMVIS_CHECK(child >= 0);
  if (child == 0) {
    const rlimit none{0, 0};
    const bool ready = (geteuid() != 0 || setuid(65534) == 0) && setrlimit(RLIMIT_NPROC, &none) == 0;
    std::atomic<int> calls = 0;
    cemvis::parallel_for(100, 4, [&](std::int64_t) { ++calls; });
    _exit(ready && calls == 100 ? 0 : 1);
  }
  int status = 0;
  CEMVIS_CHECK(waitpid(child, &status, 0) == child);
  CEMVIS_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
#endif

}  // namespace

int main() {
#ifdef __linux__
  no_thread_to_be_had();  // first: a forked child has the calling thread only
#endif
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

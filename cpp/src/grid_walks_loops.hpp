#pragma once

// The inner loops of the joint fit, compiled once for each SIMD level.

#include <cstdint>

#include "cemvis/simd.hpp"

namespace cemvis {

// Rows of numbers are padded to a multiple of this. Sums run over so many lanes side by side, at every level.
inline constexpr std::int64_t kLanes = 8;

struct WalkLoops {
  // sum[c] += weight[n] * first[at[n] + c], n after n, for c in [0, length), a multiple of kLanes.
  void (*add_rows)(const float* first, const std::int64_t* at, const float* weight, std::int64_t count,
                   std::int64_t length, float* sum);
  // sums[r * kLanes + c % kLanes] += weight[c] * first[r * stride + c] for all rows r and c in [from, to), multiples of
  // kLanes.
  void (*add_products)(const float* first, std::int64_t rows, std::int64_t stride, const float* weight,
                       std::int64_t from, std::int64_t to, float* sums);
  // best[c] = max over n of total[n] + penalty[n * count + c], and the first n that reaches it.
  void (*best_steps)(const double* total, const double* penalty, std::int64_t count, double* best,
                     std::int64_t* came_from);
};

namespace baseline {
extern const WalkLoops walk_loops;
}  // namespace baseline
namespace avx2 {
extern const WalkLoops walk_loops;
}  // namespace avx2
namespace avx512 {
extern const WalkLoops walk_loops;
}  // namespace avx512

const WalkLoops& walk_loops(Simd level);

}  // namespace cemvis

// Compiled once for each SIMD level, with CEMVIS_SIMD_LEVEL as the namespace; the rules of tiling_rows.cpp hold here.

#include "grid_walks_loops.hpp"

namespace cemvis::CEMVIS_SIMD_LEVEL {
namespace {

void add_rows(const float* first, const std::int64_t* at, const float* weight, std::int64_t count, std::int64_t length,
              float* __restrict sum) {
  std::int64_t n = 0;
  // Four rows at a time, so that the sum is loaded and stored a quarter as often; the order of additions is the same.
  for (; n + 4 <= count; n += 4) {
    const float* __restrict a = first + at[n];
    const float* __restrict b = first + at[n + 1];
    const float* __restrict c = first + at[n + 2];
    const float* __restrict d = first + at[n + 3];
    const float wa = weight[n];
    const float wb = weight[n + 1];
    const float wc = weight[n + 2];
    const float wd = weight[n + 3];
    for (std::int64_t i = 0; i < length; i += kLanes) {
      for (std::int64_t l = i; l < i + kLanes; ++l) {
        sum[l] = (((sum[l] + wa * a[l]) + wb * b[l]) + wc * c[l]) + wd * d[l];
      }
    }
  }
  for (; n < count; ++n) {
    const float* __restrict a = first + at[n];
    for (std::int64_t i = 0; i < length; i += kLanes) {
      for (std::int64_t l = i; l < i + kLanes; ++l) {
        sum[l] += weight[n] * a[l];
      }
    }
  }
}

void add_products(const float* first, std::int64_t rows, std::int64_t stride, const float* __restrict weight,
                  std::int64_t from, std::int64_t to, float* __restrict sums) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* __restrict row = first + r * stride;
    float* __restrict to_sum = sums + r * kLanes;
    float lanes[kLanes];  // NOLINT(modernize-avoid-c-arrays,cppcoreguidelines-avoid-c-arrays)
    for (std::int64_t l = 0; l < kLanes; ++l) {
      lanes[l] = to_sum[l];
    }
    for (std::int64_t c = from; c < to; c += kLanes) {
      for (std::int64_t l = 0; l < kLanes; ++l) {
        lanes[l] += weight[c + l] * row[c + l];
      }
    }
    for (std::int64_t l = 0; l < kLanes; ++l) {
      to_sum[l] = lanes[l];
    }
  }
}

void best_steps(const double* total, const double* penalty, std::int64_t count, double* __restrict best,
                std::int64_t* __restrict came_from) {
  for (std::int64_t c = 0; c < count; ++c) {
    best[c] = total[0] + penalty[c];
    came_from[c] = 0;
  }
  for (std::int64_t n = 1; n < count; ++n) {
    const double* __restrict step = penalty + n * count;
    for (std::int64_t c = 0; c < count; ++c) {
      const double reached = total[n] + step[c];
      const bool better = reached > best[c];
      best[c] = better ? reached : best[c];
      came_from[c] = better ? n : came_from[c];
    }
  }
}

}  // namespace

constinit const WalkLoops walk_loops = {add_rows, add_products, best_steps};

}  // namespace cemvis::CEMVIS_SIMD_LEVEL

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "cemvis/simd.hpp"

namespace cemvis {

// Grey levels, or the flags of a mask, that somebody else owns: (slices, rows, cols), of which a plain image has one
// slice. Strides are counted in pixels and may be negative. No data: not given.
struct LevelView {
  const std::uint8_t* data = nullptr;
  std::array<std::int64_t, 3> shape{};
  std::array<std::ptrdiff_t, 3> strides{};

  [[nodiscard]] const std::uint8_t* line(std::int64_t slice, std::int64_t row) const {
    return data + slice * strides[0] + row * strides[1];
  }
  [[nodiscard]] std::int64_t pixels() const { return shape[0] * shape[1] * shape[2]; }
};

inline constexpr int kMostLevels = 256;
// Squares of distances up to here fit 32 bits.
inline constexpr std::int64_t kLargestRing = 32766;

enum class PairStatistic {
  levels,       // the two levels of a pair
  differences,  // the distance between its two levels
};

enum class PairAlgorithm {
  automatic,    // the cheapest by the cost model
  direct,       // one look at every pair of places
  fourier,      // correlations of characteristic functions, or of the levels' indicators
  enumeration,  // one look at every pair of valid pixels
};

// Throws std::invalid_argument if no algorithm has this name: auto, direct, fourier or pairs.
PairAlgorithm pair_algorithm_named(std::string_view name);
const char* pair_algorithm_name(PairAlgorithm algorithm);

// Which pairs of valid pixels count. A pixel is valid where its mask, if there is one, is not 0.
//   Without `other`: a pair is a first pixel x and a second one x + h of `image`, h in the half plane that holds 0 and
// the places after it in reading order, so that every unordered pair counts once, each pixel with itself among them.
//   With `other`: x in `image`, x + h in `other`, h anywhere.
//   Only first pixels in the slices (rows, if there is but one slice) [core_begin, core_end) count, so that pieces of
// a large image add up. Periodic: x + h wraps around, each displacement counts, and there are no pieces.
struct PairRequest {
  LevelView image;
  LevelView mask;
  LevelView other;
  LevelView other_mask;
  bool periodic = false;
  std::int64_t core_begin = 0;
  std::int64_t core_end = std::numeric_limits<std::int64_t>::max();
  int levels = kMostLevels;  // all levels lie below
  PairStatistic statistic = PairStatistic::levels;
  double fourier_bytes = 2e9;   // that fourier may take: large images are then done in strips, on fewer threads
  double fourier_guard = 0.25;  // how far from whole its numbers may lie; 0 refuses them all
};

// How many numbers one bin of displacements has. Pairs of levels i <= j stand at j (j + 1) / 2 + i; with `other`, level
// i of `image` and j of `other` at i * levels + j; differences d at d.
std::int64_t pair_cells(const PairRequest& request);

// Largest distance that two pixels of the request can have, rounded as rings are.
std::int64_t largest_ring(const PairRequest& request);

struct PairPlan {
  PairAlgorithm chosen = PairAlgorithm::direct;
  // Estimated seconds on so many threads; infinite where an algorithm can't do it.
  double direct_s = 0.0;
  double fourier_s = 0.0;
  double enumeration_s = 0.0;
};

// What automatic would choose. Throws as radial_pair_counts does.
PairPlan plan_radial_pairs(const PairRequest& request, std::int64_t r_max, int threads);

// Adds, for each ring r = 0 .. r_max of displacements with |h| rounded to r, the counts of the pairs to `counts`,
// (r_max + 1) x pair_cells numbers, and writes the total of each ring to `pairs`, r_max + 1 numbers. Exact: any
// algorithm, any number of threads and any SIMD level give the same. Returns the algorithm that gave the counts:
// fourier checks that its numbers lie within `fourier_guard` of whole ones, and otherwise direct does the work. Throws
// std::invalid_argument if no pixel is valid, a level is not below `levels`, shapes differ, r_max lies outside [0,
// largest_ring], or the request can't be done by the algorithm (fourier: volumes).
PairAlgorithm radial_pair_counts(const PairRequest& request, std::int64_t r_max, PairAlgorithm algorithm,
                                 std::span<std::uint64_t> counts, std::span<std::uint64_t> pairs, int threads,
                                 Simd level = simd_level());

// The same for each displacement (dy, dx) alone, dy = 0 .. dy_max (from -dy_max with `other`), dx = -dx_max .. dx_max,
// of an image of one slice; displacements before 0 in reading order are left alone without `other`.
void directional_pair_counts(const PairRequest& request, std::int64_t dy_max, std::int64_t dx_max,
                             std::span<std::uint64_t> counts, std::span<std::uint64_t> pairs, int threads,
                             Simd level = simd_level());

}  // namespace cemvis

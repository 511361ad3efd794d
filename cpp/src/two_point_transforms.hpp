#pragma once

// Counts by Fourier transforms of images in codes, for two_point_methods.cpp to choose from.

#include <cstdint>
#include <vector>

#include "two_point_loops.hpp"
#include "two_point_parts.hpp"

namespace cemvis::pairs {

// Both images of a correlation, in codes 0 .. codes - 1 and `codes` for what is invalid.
struct Field {
  Codes first;
  Codes second;  // empty: the same
  Place offset{};
  std::int64_t first_codes = 0;
  std::int64_t second_codes = 0;
  double most_bytes = 0.0;
  double guard = 0.0;  // how far from whole numbers may lie

  [[nodiscard]] bool same() const { return second.data.empty(); }
};

// The grid for a first image of this shape at `offset` in a second one.
FourierGrid grid_for(const Place& first, const Place& second, const Place& offset, std::int64_t r_max);

// The least side of a grid, even and quick to transform, that is not below n.
std::int64_t grid_side(std::int64_t n);

// What one transform of `lanes` functions holds of images of so many rows.
double image_bytes(const FourierGrid& grid, std::int64_t rows, std::int64_t lanes, bool same);

// Counts in whole numbers, some for each ring.
using Sums = std::vector<std::uint64_t>;

// Both write the counts of all rings, and return whether their numbers were close enough to whole ones. `everywhere`:
// in all directions, or else in half of them, of images that are the same in opposite ones.
// A count for each difference of the codes:
bool differences_by_fourier(const Field& field, std::int64_t r_max, bool everywhere, int threads, Simd level,
                            Sums& sums);
// A count for each pair of codes, i <= j at j (j + 1) / 2 + i; everywhere, for each i of the first image and j of the
// second:
bool levels_by_fourier(const Field& field, std::int64_t r_max, bool everywhere, int threads, Simd level, Sums& sums);

}  // namespace cemvis::pairs

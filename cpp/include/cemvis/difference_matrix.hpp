#pragma once

#include <cstdint>
#include <span>

#include "cemvis/image_view.hpp"

namespace cemvis {

// Adds to out[m * maps.rows + n] the sum over all pixels p of |maps(m, p) - maps(n, p)|: a row of `maps` is a map, a
// column a pixel. `out` has maps.rows^2 numbers, must be symmetric, and stays so; what it held is kept, so that maps
// which don't fit the memory are added a range of pixels at a time.
//   Whole numbers are summed exactly. Of floating-point numbers blocks of kDifferenceBlockPx pixels are summed in one
// fixed order, and the blocks added in turn: any number of threads and any SIMD level give the same bits, and so do
// ranges of pixels that end where a block does. A sum is within 17.1 * 2^-24 of the exact one (float), or within
// (28 + pixels / 1024) * 2^-53 (double), relative to itself.
//   Memory: 8 KiB and a bit a map. Throws std::invalid_argument if there is no pixel, `out` has another size, or a
// number is not finite or above kMostDifferenceFloat or kMostDifferenceDouble in absolute value.
void add_differences(const ImageView<std::uint8_t>& maps, std::span<std::uint64_t> out, int threads);
void add_differences(const ImageView<std::uint16_t>& maps, std::span<std::uint64_t> out, int threads);
void add_differences(const ImageView<float>& maps, std::span<double> out, int threads);
void add_differences(const ImageView<double>& maps, std::span<double> out, int threads);

// The same of each row m of `maps` against each row n of `others`: out[m * others.rows + n].
void add_differences(const ImageView<std::uint8_t>& maps, const ImageView<std::uint8_t>& others,
                     std::span<std::uint64_t> out, int threads);
void add_differences(const ImageView<std::uint16_t>& maps, const ImageView<std::uint16_t>& others,
                     std::span<std::uint64_t> out, int threads);
void add_differences(const ImageView<float>& maps, const ImageView<float>& others, std::span<double> out, int threads);
void add_differences(const ImageView<double>& maps, const ImageView<double>& others, std::span<double> out,
                     int threads);

inline constexpr std::int64_t kDifferenceBlockBytes = 8192;
// Pixels that are summed before the sums are added to `out`.
template <class T>
inline constexpr std::int64_t kDifferenceBlockPx = kDifferenceBlockBytes / static_cast<std::int64_t>(sizeof(T));
// 32 differences of such numbers still are finite floats, and 10^17 of them finite doubles.
inline constexpr float kMostDifferenceFloat = 1e36F;
inline constexpr double kMostDifferenceDouble = 1e290;

}  // namespace cemvis

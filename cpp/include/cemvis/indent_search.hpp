#pragma once

#include <cstdint>
#include <span>

#include "cemvis/image_view.hpp"
#include "cemvis/simd.hpp"

namespace cemvis {

// No template may be longer than this along either axis: the tiles that the image is filtered in hold it whole.
inline constexpr std::int64_t kLargestTemplate = 4096;

// Any number of threads and any SIMD level give the same bits in all of these. T is std::uint8_t, std::uint16_t or
// float. Throws std::invalid_argument if the image has a pixel that is not finite, if the template has one, is empty,
// larger than the image or than kLargestTemplate, or if `out` has the wrong size.

// Pearson's correlation of the template with each window of its size that lies in the image, (rows - template rows +
// 1) x (cols - template cols + 1) numbers row by row; 0 where the window is flat. Integer pixels: flat to the bit;
// float pixels: a standard deviation below 1e-5 of that of the tile around it, which float32 can't resolve.
// Throws std::invalid_argument if the template is flat, too.
template <class T>
void normalised_correlation(const ImageView<T>& image, const ImageView<float>& pattern, std::span<float> out,
                            int threads, Simd level = simd_level());

// The sum over template times window for each of these windows, unnormalised.
template <class T>
void linear_response(const ImageView<T>& image, const ImageView<float>& pattern, std::span<float> out, int threads,
                     Simd level = simd_level());

// The same sums around a few places alone: one patch of (2 radius + 1) x (2 radius + 1) windows a place, whose middle
// one has the first pixel `top_left`, (row, col) place by place. NaN for windows that do not lie in the image.
template <class T>
void response_patches(const ImageView<T>& image, const ImageView<float>& pattern,
                      std::span<const std::int64_t> top_left, std::int64_t radius, std::span<float> out, int threads,
                      Simd level = simd_level());

// The largest side of the squares that are averaged: up to here 32 bits hold the sum of a 16-bit pixel's square.
inline constexpr std::int64_t kLargestFactor = 256;

// Means of the squares of factor x factor pixels, (rows / factor) x (cols / factor) numbers row by row; the pixels
// beyond the last whole square are left out. Pixels that are not finite spoil their own square alone.
template <class T>
void downsampled(const ImageView<T>& image, std::int64_t factor, std::span<float> out, int threads,
                 Simd level = simd_level());

}  // namespace cemvis

#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "cemvis/image_view.hpp"
#include "cemvis/simd.hpp"

namespace cemvis {

// A size in pixels, or a distance with a part along each axis.
struct Extent {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
};

// No window may be longer than this along either axis: up to here 32 bits hold the sum of any column of it, and
// 64 bits its sum of squares.
inline constexpr std::int64_t kLargestWindow = 65536;

// A regular grid of windows: window (i, j) covers the rows [i * step.rows, i * step.rows + window.rows) and likewise
// the columns.
struct WindowGrid {
  Extent window;
  Extent step;
};

// How many whole windows of the grid lie in an image of this size. Throws std::invalid_argument if none does, or if a
// length is below 1 or above the largest window.
Extent grid_shape(Extent image, const WindowGrid& grid);

// The sum of the pixels, and of their squares, of each window of a grid, row by row: total.size() must be the number
// of windows. total_squares may be empty, and is then left out. The sums are exact, so threads and SIMD levels agree
// to the bit. T is std::uint8_t or std::uint16_t.
template <class T>
void window_sums_grid(const ImageView<T>& image, const WindowGrid& grid, std::span<std::uint64_t> total,
                      std::span<std::uint64_t> total_squares, int threads, Simd level = simd_level());

// The same for windows anywhere: top_left holds (row, col) of each window's first pixel. Throws std::invalid_argument
// if a window does not lie in the image.
template <class T>
void window_sums_at(const ImageView<T>& image, std::span<const std::int64_t> top_left, Extent window,
                    std::span<std::uint64_t> total, std::span<std::uint64_t> total_squares, int threads,
                    Simd level = simd_level());

// What lies outside the image.
enum class Border {
  reflect,   // the image mirrored about the centres of its edge pixels: 2 1 | 0 1 2 3 | 2 1
  nearest,   // the edge pixel
  constant,  // one grey level
  refuse,    // nothing: a window that needs it is an error
};

// Throws std::invalid_argument if no border has this name.
Border border_named(std::string_view name);

struct WindowGather {
  Extent window;                // pixels of the image that a window covers
  std::int64_t downsample = 1;  // side of the squares that are averaged into one output; divides the window
  Border border = Border::reflect;
  float fill = 0.0F;  // grey level of Border::constant
  float grey_mean = 0.0F;
  float grey_sd = 1.0F;
};

// Windows as float32, (grey - grey_mean) / grey_sd, one after the other in `out`, each row by row. `centres` holds
// (row, col) of each window's centre; its samples lie a pixel apart around it and are interpolated bilinearly, so an
// odd window with a whole centre, or an even one with a centre at a half, meets the pixels and is exact; a distance
// below 2^-20 pixels to that counts as none. Any number of threads and any SIMD level give the same bits.
// Throws std::invalid_argument if a centre is not finite, or needs pixels outside the image and Border::refuse.
template <class T>
void gather_windows(const ImageView<T>& image, std::span<const double> centres, const WindowGather& gather,
                    std::span<float> out, int threads, Simd level = simd_level());

}  // namespace cemvis

// Compiled once for each SIMD level, with CEMVIS_SIMD_LEVEL as the namespace; the rules of tiling_rows.cpp hold here.

#include <math.h>  // not cmath, whose functions are inline

#include "indent_search_loops.hpp"

namespace cemvis::CEMVIS_SIMD_LEVEL {
namespace {

template <class T>
TileMoments moments(const PixelRows<T>& pixels) {
  double total = 0.0;
  double squares = 0.0;
  for (std::int64_t r = 0; r < pixels.rows; ++r) {
    const T* row = pixels.first + r * pixels.row_stride;
    std::uint64_t row_total = 0;
    std::uint64_t row_squares = 0;
    for (std::int64_t c = 0; c < pixels.cols; ++c) {
      const std::uint32_t grey = row[c];
      row_total += grey;
      row_squares += grey * grey;
    }
    total += static_cast<double>(row_total);
    squares += static_cast<double>(row_squares);
  }
  const auto count = static_cast<double>(pixels.rows * pixels.cols);
  const double mean = total / count;
  return {mean, squares / count - mean * mean};
}

// Eight sums side by side, in an order that does not depend on the vector's length.
double sum_of(const double (&parts)[8]) {
  return ((parts[0] + parts[4]) + (parts[2] + parts[6])) + ((parts[1] + parts[5]) + (parts[3] + parts[7]));
}

template <class Term>
double total_of(const PixelRows<float>& pixels, const Term& term) {
  double parts[8] = {};
  for (std::int64_t r = 0; r < pixels.rows; ++r) {
    const float* row = pixels.first + r * pixels.row_stride;
    std::int64_t c = 0;
    for (; c + 8 <= pixels.cols; c += 8) {
      for (int i = 0; i < 8; ++i) {
        parts[i] += term(row[c + i]);
      }
    }
    for (; c < pixels.cols; ++c) {
      parts[0] += term(row[c]);
    }
  }
  return sum_of(parts);
}

template <>
TileMoments moments<float>(const PixelRows<float>& pixels) {
  const auto count = static_cast<double>(pixels.rows * pixels.cols);
  const double mean = total_of(pixels, [](float grey) { return static_cast<double>(grey); }) / count;
  const double squares = total_of(pixels, [mean](float grey) { return (grey - mean) * (grey - mean); });
  return {mean, squares / count};
}

template <class T>
void load(const PixelRows<T>& pixels, float mean, float scale, float* out, std::int64_t out_stride) {
  for (std::int64_t r = 0; r < pixels.rows; ++r) {
    const T* __restrict row = pixels.first + r * pixels.row_stride;
    float* __restrict to = out + r * out_stride;
    for (std::int64_t c = 0; c < pixels.cols; ++c) {
      to[c] = (static_cast<float>(row[c]) - mean) * scale;
    }
  }
}

// Sums of pixels and of their squares. Those of integers may wrap around on the way: differences of them are exact as
// long as the true difference fits.

template <class Sum, class T>
Sum level_of(T pixel, double mean) {
  if constexpr (sizeof(T) == 4) {
    return static_cast<Sum>(pixel) - mean;
  } else {
    return static_cast<Sum>(pixel);
  }
}

template <class Sum, class T>
void add_row(const T* __restrict row, std::int64_t cols, double mean, Sum* __restrict totals, Sum* __restrict squares) {
  for (std::int64_t c = 0; c < cols; ++c) {
    const Sum grey = level_of<Sum>(row[c], mean);
    totals[c] += grey;
    squares[c] += grey * grey;
  }
}

template <class Sum, class T>
void move_row(const T* __restrict leaving, const T* __restrict entering, std::int64_t cols, double mean,
              Sum* __restrict totals, Sum* __restrict squares) {
  for (std::int64_t c = 0; c < cols; ++c) {
    const Sum old = level_of<Sum>(leaving[c], mean);
    const Sum grey = level_of<Sum>(entering[c], mean);
    totals[c] += grey - old;
    squares[c] += grey * grey - old * old;
  }
}

template <class Sum>
void accumulate(const Sum* __restrict columns, std::int64_t cols, Sum* __restrict sums) {
  Sum sum = 0;
  for (std::int64_t c = 0; c < cols; ++c) {
    sums[c] = sum;
    sum += columns[c];
  }
  sums[cols] = sum;
}

float within_one(float correlation) {
  const float lower = correlation < 1.0F ? correlation : 1.0F;
  return lower > -1.0F ? lower : -1.0F;
}

// Sums of squares about the mean are those about the next whole grey level less a little, so that nothing cancels: a
// flat window has 0 at any level. `pixels` about a level are total - pixels * level, whose square is then small.
float correlation(std::uint32_t total, std::uint32_t squares, float filtered, const WindowShape& window, float pixels) {
  const float part = 1.0F / pixels;
  const auto level = static_cast<std::int32_t>(static_cast<float>(static_cast<std::int32_t>(total)) * part + 0.5F);
  const auto count = static_cast<std::uint32_t>(static_cast<std::int32_t>(pixels));
  const std::uint32_t rest = total - static_cast<std::uint32_t>(level) * count;
  const std::uint32_t about = squares - static_cast<std::uint32_t>(level) * (total + rest);
  const auto off = static_cast<float>(static_cast<std::int32_t>(rest));
  const float spread = static_cast<float>(static_cast<std::int32_t>(about)) - off * off * part;
  return about == 0 ? 0.0F : within_one(window.gain * filtered / sqrtf(spread));
}

float correlation(std::uint64_t total, std::uint64_t squares, float filtered, const WindowShape& window, float pixels) {
  const double count = static_cast<double>(window.rows) * static_cast<double>(window.cols);
  (void)pixels;
  const auto level = static_cast<std::int64_t>(static_cast<double>(static_cast<std::int64_t>(total)) / count + 0.5);
  const std::uint64_t rest =
      total - static_cast<std::uint64_t>(level) * static_cast<std::uint64_t>(window.rows * window.cols);
  const std::uint64_t about = squares - static_cast<std::uint64_t>(level) * (total + rest);
  const auto off = static_cast<double>(static_cast<std::int64_t>(rest));
  const double spread = static_cast<double>(static_cast<std::int64_t>(about)) - off * off / count;
  return about == 0 ? 0.0F : within_one(window.gain * filtered / sqrtf(static_cast<float>(spread)));
}

float correlation(double total, double squares, float filtered, const WindowShape& window, float pixels) {
  const double spread = squares - total * total / (static_cast<double>(window.rows) * static_cast<double>(window.cols));
  (void)pixels;
  return spread <= window.flat ? 0.0F : within_one(window.gain * filtered / sqrtf(static_cast<float>(spread)));
}

template <class T, class Sum>
void normalise_with(const PixelRows<T>& pixels, const WindowShape& window, const float* filtered,
                    std::int64_t filtered_stride, float* out, std::int64_t out_stride, Sum* memory) {
  const std::int64_t cols = pixels.cols;
  Sum* const column_totals = memory;
  Sum* const column_squares = memory + (cols + 1);
  Sum* const totals = memory + 2 * (cols + 1);
  Sum* const squares = memory + 3 * (cols + 1);
  for (std::int64_t c = 0; c < 2 * (cols + 1); ++c) {
    memory[c] = 0;
  }
  for (std::int64_t r = 0; r < window.rows; ++r) {
    add_row(pixels.first + r * pixels.row_stride, cols, window.mean, column_totals, column_squares);
  }
  const auto count = static_cast<float>(window.rows * window.cols);
  for (std::int64_t r = 0; r + window.rows <= pixels.rows; ++r) {
    if (r > 0) {
      const T* leaving = pixels.first + (r - 1) * pixels.row_stride;
      move_row(leaving, leaving + window.rows * pixels.row_stride, cols, window.mean, column_totals, column_squares);
    }
    accumulate(column_totals, cols, totals);
    accumulate(column_squares, cols, squares);
    const Sum* __restrict total = totals;
    const Sum* __restrict square = squares;
    const float* __restrict from = filtered + r * filtered_stride;
    float* __restrict to = out + r * out_stride;
    for (std::int64_t c = 0; c + window.cols <= cols; ++c) {
      to[c] = correlation(static_cast<Sum>(total[c + window.cols] - total[c]),
                          static_cast<Sum>(square[c + window.cols] - square[c]), from[c], window, count);
    }
  }
}

// Up to here 32 bits hold a window's sum of squares of 8-bit pixels, and a float its sum.
constexpr std::int64_t kSmallWindow = 65536;

template <class T>
void normalise(const PixelRows<T>& pixels, const WindowShape& window, const float* filtered,
               std::int64_t filtered_stride, float* out, std::int64_t out_stride, void* sums) {
  if constexpr (sizeof(T) == 4) {
    normalise_with(pixels, window, filtered, filtered_stride, out, out_stride, static_cast<double*>(sums));
  } else if (sizeof(T) == 1 && window.rows * window.cols <= kSmallWindow) {
    normalise_with(pixels, window, filtered, filtered_stride, out, out_stride, static_cast<std::uint32_t*>(sums));
  } else {
    normalise_with(pixels, window, filtered, filtered_stride, out, out_stride, static_cast<std::uint64_t*>(sums));
  }
}

void rescale(const float* __restrict filtered, std::int64_t count, float gain, float offset, float* __restrict out) {
  for (std::int64_t c = 0; c < count; ++c) {
    out[c] = gain * filtered[c] + offset;
  }
}

}  // namespace

constinit const TileLoopSet tile_loops = {
    {moments<std::uint8_t>, load<std::uint8_t>, normalise<std::uint8_t>},
    {moments<std::uint16_t>, load<std::uint16_t>, normalise<std::uint16_t>},
    {moments<float>, load<float>, normalise<float>},
    rescale,
};

}  // namespace cemvis::CEMVIS_SIMD_LEVEL

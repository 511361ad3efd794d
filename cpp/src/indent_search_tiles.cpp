// Compiled once for each SIMD level, with CEMVIS_SIMD_LEVEL as the namespace; the rules of tiling_rows.cpp hold here.

#include <math.h>  // NOLINT(modernize-deprecated-headers): the functions of cmath are inline

#include <type_traits>

#include "indent_search_loops.hpp"

namespace cemvis::CEMVIS_SIMD_LEVEL {
namespace {

// Rows of a tile lie on pages of their own, where the hardware fetches nothing ahead; these are the first to read them.
template <class T>
void fetch_ahead(const PixelRows<T>& pixels, std::int64_t row) {
#ifdef __GNUC__
  constexpr std::int64_t ahead = 8;
  constexpr std::int64_t line = 64 / sizeof(T);
  if (row + ahead < pixels.rows) {
    const T* first = pixels.first + (row + ahead) * pixels.row_stride;
    for (std::int64_t c = 0; c < pixels.cols; c += line) {
      __builtin_prefetch(first + c);
    }
  }
#else
  (void)pixels;
  (void)row;
#endif
}

template <class T>
TileMoments moments(const PixelRows<T>& pixels) {
  double total = 0.0;
  double squares = 0.0;
  for (std::int64_t r = 0; r < pixels.rows; ++r) {
    fetch_ahead(pixels, r);
    const T* row = pixels.first + r * pixels.row_stride;
    std::uint32_t row_total = 0;  // 32 bits hold the sums of the longest tile's row
    std::conditional_t<sizeof(T) == 1, std::uint32_t, std::uint64_t> row_squares = 0;
    for (std::int64_t c = 0; c < pixels.cols; ++c) {
      const std::uint32_t grey = row[c];
      row_total += grey;
      row_squares += std::uint32_t{grey * grey};
    }
    total += static_cast<double>(row_total);
    squares += static_cast<double>(row_squares);
  }
  const auto count = static_cast<double>(pixels.rows * pixels.cols);
  const double mean = total / count;
  return {mean, squares / count - mean * mean};
}

// Eight sums side by side, in an order that does not depend on the vector's length.
double sum_of(const double* parts) {
  return ((parts[0] + parts[4]) + (parts[2] + parts[6])) + ((parts[1] + parts[5]) + (parts[3] + parts[7]));
}

template <class Term>
double total_of(const PixelRows<float>& pixels, const Term& term) {
  double parts[8] = {};  // NOLINT(modernize-avoid-c-arrays,cppcoreguidelines-avoid-c-arrays)
  for (std::int64_t r = 0; r < pixels.rows; ++r) {
    fetch_ahead(pixels, r);
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

// Both at once: each waits for its own last sum alone.
template <class Sum>
void accumulate(const Sum* __restrict column_totals, const Sum* __restrict column_squares, std::int64_t cols,
                Sum* __restrict totals, Sum* __restrict squares) {
  Sum total = 0;
  Sum square = 0;
  for (std::int64_t c = 0; c < cols; ++c) {
    totals[c] = total;
    squares[c] = square;
    total += column_totals[c];
    square += column_squares[c];
  }
  totals[cols] = total;
  squares[cols] = square;
}

// All branches are choices between two numbers that are both computed: so the compilers make vectors of them.
float quotient(bool flat, float filtered, float spread) {
  const float ratio = filtered / sqrtf(flat ? 1.0F : spread);
  const float below = ratio < 1.0F ? ratio : 1.0F;
  const float within = below > -1.0F ? below : -1.0F;
  return flat ? 0.0F : within;
}

// Sums of squares about the mean are those about the next whole grey level less a little, so that nothing cancels: a
// flat window has 0 at any level.
struct FewPixels {
  using Sum = std::uint32_t;

  explicit FewPixels(const WindowShape& window)
      : count(static_cast<std::uint32_t>(window.rows * window.cols)), part(1.0F / static_cast<float>(count)) {}

  [[nodiscard]] float correlation(Sum total, Sum squares, float filtered) const {
    const auto level = static_cast<std::int32_t>(static_cast<float>(static_cast<std::int32_t>(total)) * part + half);
    const Sum rest = total - static_cast<Sum>(level) * count;
    const Sum about = squares - static_cast<Sum>(level) * (total + rest);
    const auto off = static_cast<float>(static_cast<std::int32_t>(rest));
    return quotient(about == 0, filtered, static_cast<float>(static_cast<std::int32_t>(about)) - off * off * part);
  }

  static constexpr float half = 0.5F;
  std::uint32_t count;
  float part;
};

struct ManyPixels {
  using Sum = std::uint64_t;

  explicit ManyPixels(const WindowShape& window)
      : count(static_cast<std::uint64_t>(window.rows * window.cols)), part(1.0 / static_cast<double>(count)) {}

  [[nodiscard]] float correlation(Sum total, Sum squares, float filtered) const {
    const auto level = static_cast<std::int64_t>(static_cast<double>(static_cast<std::int64_t>(total)) * part + half);
    const Sum rest = total - static_cast<Sum>(level) * count;
    const Sum about = squares - static_cast<Sum>(level) * (total + rest);
    const auto off = static_cast<double>(static_cast<std::int64_t>(rest));
    const double spread = static_cast<double>(static_cast<std::int64_t>(about)) - off * off * part;
    return quotient(about == 0, filtered, static_cast<float>(spread));
  }

  static constexpr double half = 0.5;
  std::uint64_t count;
  double part;
};

struct FloatPixels {
  using Sum = double;

  explicit FloatPixels(const WindowShape& window)
      : part(1.0 / static_cast<double>(window.rows * window.cols)), most_flat(window.flat), unit(window.unit) {}

  [[nodiscard]] float correlation(Sum total, Sum squares, float filtered) const {
    const double spread = squares - total * total * part;
    return quotient(spread <= most_flat, filtered, static_cast<float>(spread * unit));
  }

  double part;
  double most_flat;
  double unit;
};

template <class Variance, class T>
void normalise_with(const PixelRows<T>& pixels, const WindowShape& window, const float* filtered,
                    std::int64_t filtered_stride, float* out, std::int64_t out_stride, void* sums) {
  using Sum = typename Variance::Sum;
  const Variance variance(window);
  const float gain = window.gain;
  const std::int64_t windows = pixels.cols - window.cols + 1;
  auto* const memory = static_cast<Sum*>(sums);
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
  for (std::int64_t r = 0; r + window.rows <= pixels.rows; ++r) {
    if (r > 0) {
      const T* leaving = pixels.first + (r - 1) * pixels.row_stride;
      move_row(leaving, leaving + window.rows * pixels.row_stride, cols, window.mean, column_totals, column_squares);
    }
    accumulate(column_totals, column_squares, cols, totals, squares);
    const Sum* __restrict total = totals;
    const Sum* __restrict total_end = totals + window.cols;
    const Sum* __restrict square = squares;
    const Sum* __restrict square_end = squares + window.cols;
    const float* __restrict from = filtered + r * filtered_stride;
    float* __restrict to = out + r * out_stride;
    for (std::int64_t c = 0; c < windows; ++c) {
      to[c] = variance.correlation(total_end[c] - total[c], square_end[c] - square[c], gain * from[c]);
    }
  }
}

// Up to here 32 bits hold a window's sum of squares of 8-bit pixels, and a float its sum.
constexpr std::int64_t kSmallWindow = 65536;

template <class T>
void normalise(const PixelRows<T>& pixels, const WindowShape& window, const float* filtered,
               std::int64_t filtered_stride, float* out, std::int64_t out_stride, void* sums) {
  if constexpr (sizeof(T) == 4) {
    normalise_with<FloatPixels>(pixels, window, filtered, filtered_stride, out, out_stride, sums);
  } else if (sizeof(T) == 1 && window.rows * window.cols <= kSmallWindow) {
    normalise_with<FewPixels>(pixels, window, filtered, filtered_stride, out, out_stride, sums);
  } else {
    normalise_with<ManyPixels>(pixels, window, filtered, filtered_stride, out, out_stride, sums);
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

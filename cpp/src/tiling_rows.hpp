#pragma once

// The inner loops of the tiling kernel, compiled once for each SIMD level.

#include <cstddef>
#include <cstdint>

#include "cemvis/simd.hpp"

namespace cemvis {

// The integer that holds a column's sum of squares: of the largest window 32 bits are enough for 8-bit pixels.
template <class T>
struct SquareOf;
template <>
struct SquareOf<std::uint8_t> {
  using Type = std::uint32_t;
};
template <>
struct SquareOf<std::uint16_t> {
  using Type = std::uint64_t;
};

template <class T>
struct SumLoops {
  // Adds `rows` rows of `cols` adjacent pixels to the running sum of each column and, unless `squares` is null, their
  // squares. The sums may wrap around: differences of them are exact as long as the true difference fits.
  void (*add_rows)(const T* first, std::ptrdiff_t row_stride, std::int64_t rows, std::int64_t cols,
                   std::uint32_t* totals, typename SquareOf<T>::Type* squares);
};

// Where a sample lies between pixels: so far towards the row below, and so far towards the next pixel of a row, which
// is `next_col` away (0 where col is 0, so that nothing beyond the last pixel is read).
struct Between {
  float row = 0.0F;
  float col = 0.0F;
  std::ptrdiff_t next_col = 0;
};

struct Normalisation {
  float mean = 0.0F;
  float sd = 1.0F;
};

template <class T>
struct FloatLoops {
  // out = (pixels - mean) / sd
  void (*normalise)(const T* pixels, std::int64_t count, Normalisation to, float* out);
  // The same of pixels interpolated bilinearly between the row `above` and the row `below`.
  void (*interpolate)(const T* above, const T* below, std::int64_t count, Between at, Normalisation to, float* out);
  // sums = sums + weight * pixels
  void (*add_weighted)(const T* pixels, std::int64_t count, float weight, float* sums);
};

struct RowLoops {
  SumLoops<std::uint8_t> sum8;
  SumLoops<std::uint16_t> sum16;
  FloatLoops<std::uint8_t> float8;
  FloatLoops<std::uint16_t> float16;
  FloatLoops<float> float32;
};

// Constants, so that no code of a level runs before it is asked for.
namespace baseline {
extern const RowLoops loops;
}
namespace avx2 {
extern const RowLoops loops;
}
namespace avx512 {
extern const RowLoops loops;
}

const RowLoops& row_loops(Simd level);

}  // namespace cemvis

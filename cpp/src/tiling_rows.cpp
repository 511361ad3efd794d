// Compiled once for each SIMD level, with CEMVIS_SIMD_LEVEL as the namespace. Keep the standard library's templates
// out of here: the linker keeps one copy of an inline function, and were that the one compiled for AVX-512, the whole
// program would crash on an older CPU. For the same reason all that is local is in an unnamed namespace.

#include "tiling_rows.hpp"

namespace cemvis::CEMVIS_SIMD_LEVEL {
namespace {

// Narrow integers that hold the sums of one block of rows: the narrower, the more columns fit a register.
template <class T>
struct BlockTotal;
template <>
struct BlockTotal<std::uint8_t> {
  using Type = std::uint16_t;
};
template <>
struct BlockTotal<std::uint16_t> {
  using Type = std::uint32_t;
};

template <int Rows, bool WithSquares, class T>
void add_block(const T* first, std::ptrdiff_t row_stride, std::int64_t cols, std::uint32_t* __restrict totals,
               typename SquareOf<T>::Type* __restrict squares) {
  using Total = typename BlockTotal<T>::Type;
  using Square = typename SquareOf<T>::Type;
  for (std::int64_t c = 0; c < cols; ++c) {
    Total total = 0;
    Square square = 0;
    for (int r = 0; r < Rows; ++r) {
      const std::uint32_t grey = first[r * row_stride + c];
      total = static_cast<Total>(total + grey);
      if constexpr (WithSquares) {
        square += static_cast<Square>(grey * grey);
      }
    }
    totals[c] += total;
    if constexpr (WithSquares) {
      squares[c] += square;
    }
  }
}

// Blocks of rows, because the sums are then loaded and stored once a block. 16 rows run close to the memory's speed;
// the compilers unroll no more than that.
template <bool WithSquares, class T>
void add_blocks(const T* first, std::ptrdiff_t row_stride, std::int64_t rows, std::int64_t cols, std::uint32_t* totals,
                typename SquareOf<T>::Type* squares) {
  for (; rows >= 16; rows -= 16, first += 16 * row_stride) {
    add_block<16, WithSquares>(first, row_stride, cols, totals, squares);
  }
  for (; rows >= 8; rows -= 8, first += 8 * row_stride) {
    add_block<8, WithSquares>(first, row_stride, cols, totals, squares);
  }
  for (; rows >= 4; rows -= 4, first += 4 * row_stride) {
    add_block<4, WithSquares>(first, row_stride, cols, totals, squares);
  }
  for (; rows > 0; --rows, first += row_stride) {
    add_block<1, WithSquares>(first, row_stride, cols, totals, squares);
  }
}

template <class T>
void add_rows(const T* first, std::ptrdiff_t row_stride, std::int64_t rows, std::int64_t cols, std::uint32_t* totals,
              typename SquareOf<T>::Type* squares) {
  if (squares != nullptr) {
    add_blocks<true>(first, row_stride, rows, cols, totals, squares);
  } else {
    add_blocks<false>(first, row_stride, rows, cols, totals, squares);
  }
}

template <class T>
void normalise(const T* __restrict pixels, std::int64_t count, Normalisation to, float* __restrict out) {
  for (std::int64_t c = 0; c < count; ++c) {
    out[c] = (static_cast<float>(pixels[c]) - to.mean) / to.sd;
  }
}

template <class T>
void interpolate(const T* __restrict above, const T* __restrict below, std::int64_t count, Between at, Normalisation to,
                 float* __restrict out) {
  const T* above_next = above + at.next_col;
  const T* below_next = below + at.next_col;
  const auto between = [](float here, float there, float part) { return here + part * (there - here); };
  for (std::int64_t c = 0; c < count; ++c) {
    const float here = between(above[c], below[c], at.row);
    const float next = between(above_next[c], below_next[c], at.row);
    out[c] = (between(here, next, at.col) - to.mean) / to.sd;
  }
}

template <class T>
void add_weighted(const T* __restrict pixels, std::int64_t count, float weight, float* __restrict sums) {
  for (std::int64_t c = 0; c < count; ++c) {
    sums[c] += weight * static_cast<float>(pixels[c]);
  }
}

}  // namespace

constinit const RowLoops loops = {
    {add_rows<std::uint8_t>},
    {add_rows<std::uint16_t>},
    {normalise<std::uint8_t>, interpolate<std::uint8_t>, add_weighted<std::uint8_t>},
    {normalise<std::uint16_t>, interpolate<std::uint16_t>, add_weighted<std::uint16_t>},
    {normalise<float>, interpolate<float>, add_weighted<float>},
};

}  // namespace cemvis::CEMVIS_SIMD_LEVEL

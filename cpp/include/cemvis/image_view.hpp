#pragma once

#include <cstddef>
#include <cstdint>

namespace cemvis {

// A read-only image that somebody else owns: rows x cols pixels of T, strides counted in pixels (they may be
// negative, as in a flipped NumPy view). The pixel (row, col) lies at data[row * row_stride + col * col_stride].
template <class T>
struct ImageView {
  const T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::ptrdiff_t row_stride = 0;
  std::ptrdiff_t col_stride = 1;

  [[nodiscard]] const T* row(std::int64_t r) const { return data + r * row_stride; }
  [[nodiscard]] T at(std::int64_t r, std::int64_t c) const { return data[r * row_stride + c * col_stride]; }
  [[nodiscard]] bool contiguous_rows() const { return col_stride == 1; }
};

}  // namespace cemvis

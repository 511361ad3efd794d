#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "cemvis/difference_matrix.hpp"
#include "check.hpp"

namespace {

using cemvis::ImageView;

template <class T>
using SumOf = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;

template <class T>
struct Maps {
  std::vector<T> pixels;
  std::int64_t rows = 0;
  std::int64_t cols = 0;

  [[nodiscard]] ImageView<T> view() const { return {pixels.data(), rows, cols, cols, 1}; }
};

template <class T>
Maps<T> noise(std::int64_t rows, std::int64_t cols, std::uint32_t state = 7) {
  Maps<T> maps{std::vector<T>(static_cast<std::size_t>(rows * cols)), rows, cols};
  for (auto& value : maps.pixels) {
    state = state * 1664525U + 1013904223U;
    if constexpr (std::is_floating_point_v<T>) {
      value = static_cast<T>(state >> 8U) * static_cast<T>(0x1p-24);
    } else {
      value = static_cast<T>(state >> 16U);
    }
  }
  return maps;
}

template <class T>
SumOf<T> naive(const ImageView<T>& maps, std::int64_t m, const ImageView<T>& others, std::int64_t n) {
  SumOf<T> sum = 0;
  for (std::int64_t p = 0; p < maps.cols; ++p) {
    const auto a = static_cast<SumOf<T>>(maps.at(m, p));
    const auto b = static_cast<SumOf<T>>(others.at(n, p));
    sum += a > b ? a - b : b - a;
  }
  return sum;
}

template <class T>
bool close(SumOf<T> found, SumOf<T> expected) {
  if constexpr (std::is_floating_point_v<T>) {
    const double bound = std::is_same_v<T, float> ? 17.2 * 0x1p-24 : 40 * 0x1p-53;
    // The naive sum of up to 9,000 numbers is off too.
    return std::fabs(found - expected) <= (bound + 9000 * 0x1p-53) * expected;
  } else {
    return found == expected;
  }
}

template <class T>
void test_sums() {
  for (const std::int64_t rows : {1, 3, 4, 5, 34, 67}) {
    for (const std::int64_t cols : {1, 255, 2049, 8193}) {
      if (rows > 5 && cols > 3000) {
        continue;
      }
      const auto maps = noise<T>(rows, cols);
      const auto others = noise<T>(6, cols, 99);
      std::vector<SumOf<T>> out(static_cast<std::size_t>(rows * rows));
      cemvis::add_differences(maps.view(), out, 1);
      std::vector<SumOf<T>> across(static_cast<std::size_t>(rows * 6));
      cemvis::add_differences(maps.view(), others.view(), across, 1);
      for (std::int64_t m = 0; m < rows; ++m) {
        for (std::int64_t n = 0; n < rows; ++n) {
          CEMVIS_CHECK(close<T>(out[static_cast<std::size_t>(m * rows + n)], naive(maps.view(), m, maps.view(), n)));
        }
        for (std::int64_t n = 0; n < 6; ++n) {
          CEMVIS_CHECK(close<T>(across[static_cast<std::size_t>(m * 6 + n)], naive(maps.view(), m, others.view(), n)));
        }
      }
      std::vector<SumOf<T>> again(out.size());
      cemvis::add_differences(maps.view(), again, 3);
      CEMVIS_CHECK(again == out);
    }
  }
}

template <class T>
void test_ranges_of_pixels() {
  constexpr std::int64_t block = cemvis::kDifferenceBlockPx<T>;
  const auto maps = noise<T>(9, 3 * block + 17);
  std::vector<SumOf<T>> whole(81);
  cemvis::add_differences(maps.view(), whole, 1);
  std::vector<SumOf<T>> parts(81);
  for (std::int64_t from = 0; from < maps.cols; from += 2 * block) {
    auto part = maps.view();
    part.data += from;
    part.cols = std::min(2 * block, maps.cols - from);
    cemvis::add_differences(part, parts, 2);
  }
  CEMVIS_CHECK(parts == whole);
}

template <class T>
void test_strides() {
  const auto maps = noise<T>(7, 4500);
  const ImageView<T> every_other{maps.pixels.data() + 6 * 4500 + 1, 4, 2000, -2 * 4500, 2};
  Maps<T> copied{{}, 4, 2000};
  for (std::int64_t m = 0; m < 4; ++m) {
    for (std::int64_t p = 0; p < 2000; ++p) {
      copied.pixels.push_back(every_other.at(m, p));
    }
  }
  std::vector<SumOf<T>> found(16);
  std::vector<SumOf<T>> expected(16);
  cemvis::add_differences(every_other, found, 1);
  cemvis::add_differences(copied.view(), expected, 1);
  CEMVIS_CHECK(found == expected);
}

// The largest differences of whole blocks: the sums of a tile must not overflow.
void test_extremes() {
  Maps<std::uint16_t> black_and_white{std::vector<std::uint16_t>(20000, 0), 2, 10000};
  std::fill(black_and_white.pixels.begin() + 10000, black_and_white.pixels.end(), std::uint16_t{65535});
  std::vector<std::uint64_t> out(4);
  cemvis::add_differences(black_and_white.view(), out, 1);
  CEMVIS_CHECK(out == (std::vector<std::uint64_t>{0, 655350000, 655350000, 0}));
  Maps<float> large{std::vector<float>(20000, -1e36F), 2, 10000};
  std::fill(large.pixels.begin() + 10000, large.pixels.end(), 1e36F);
  std::vector<double> sums(4);
  cemvis::add_differences(large.view(), sums, 1);
  CEMVIS_CHECK(std::fabs(sums[1] - 2e40) < 1e-5 * 2e40);
}

void test_refusals() {
  auto maps = noise<float>(3, 5000);
  std::vector<double> out(9);
  std::vector<double> small(8);
  CEMVIS_CHECK_THROWS(cemvis::add_differences(maps.view(), small, 1), std::invalid_argument);
  CEMVIS_CHECK_THROWS(cemvis::add_differences(maps.view(), out, 0), std::invalid_argument);
  CEMVIS_CHECK_THROWS(cemvis::add_differences(maps.view(), noise<float>(3, 4999).view(), out, 1),
                      std::invalid_argument);
  auto empty = maps.view();
  empty.cols = 0;
  CEMVIS_CHECK_THROWS(cemvis::add_differences(empty, out, 1), std::invalid_argument);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 2e36F}) {
    maps.pixels[14999] = bad;
    CEMVIS_CHECK_THROWS(cemvis::add_differences(maps.view(), out, 2), std::invalid_argument);
  }
}

}  // namespace

int main() {
  test_sums<std::uint8_t>();
  test_sums<std::uint16_t>();
  test_sums<float>();
  test_sums<double>();
  test_ranges_of_pixels<std::uint8_t>();
  test_ranges_of_pixels<std::uint16_t>();
  test_ranges_of_pixels<float>();
  test_ranges_of_pixels<double>();
  test_strides<std::uint16_t>();
  test_strides<float>();
  test_extremes();
  test_refusals();
}

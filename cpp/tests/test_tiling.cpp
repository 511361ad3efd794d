#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <stdexcept>
#include <vector>

#include "cemvis/tiling.hpp"
#include "check.hpp"

namespace {

using cemvis::Border;
using cemvis::Extent;
using cemvis::ImageView;
using cemvis::Simd;
using cemvis::WindowGather;
using cemvis::WindowGrid;

constexpr std::array kThreads = {1, 3};

// The levels that this CPU can run.
std::vector<Simd> levels() {
  std::vector<Simd> found;
  for (const Simd level : {Simd::baseline, Simd::avx2, Simd::avx512}) {
    if (level <= cemvis::detected_simd()) {
      found.push_back(level);
    }
  }
  return found;
}

template <class T>
std::vector<T> noise(std::int64_t count) {
  std::mt19937 random(7);
  std::vector<T> pixels(static_cast<std::size_t>(count));
  for (T& pixel : pixels) {
    pixel = static_cast<T>(random());
  }
  return pixels;
}

// One allocation seen in the ways that NumPy slices: each view is rows x cols and ends where the memory ends, so that
// the address sanitizer sees a read beyond it.
template <class T>
std::vector<ImageView<T>> views(const std::vector<T>& pixels, std::int64_t rows, std::int64_t cols) {
  const T* first = pixels.data();
  return {
      {first, rows, cols, cols, 1},
      {first + rows * cols - 1, rows, cols, -cols, -1},
      {first, rows, cols, 1, rows},
      {first + cols - 1, rows, cols, cols, -1},
      {first + rows - 1, rows, cols, -1, rows},
  };
}

struct BothSums {
  std::uint64_t total = 0;
  std::uint64_t squares = 0;
};

template <class T>
BothSums sums_by_definition(const ImageView<T>& image, std::int64_t top, std::int64_t left, Extent window) {
  BothSums sums;
  for (std::int64_t r = top; r < top + window.rows; ++r) {
    for (std::int64_t c = left; c < left + window.cols; ++c) {
      const std::uint64_t grey = image.at(r, c);
      sums.total += grey;
      sums.squares += grey * grey;
    }
  }
  return sums;
}

template <class T>
void check_grid(const ImageView<T>& image, const WindowGrid& grid) {
  const Extent shape = cemvis::grid_shape({image.rows, image.cols}, grid);
  const auto count = static_cast<std::size_t>(shape.rows * shape.cols);
  std::vector<BothSums> expected;
  std::vector<std::int64_t> top_left;
  for (std::int64_t k = 0; k < shape.rows * shape.cols; ++k) {
    const std::int64_t top = k / shape.cols * grid.step.rows;
    const std::int64_t left = k % shape.cols * grid.step.cols;
    expected.push_back(sums_by_definition(image, top, left, grid.window));
    top_left.insert(top_left.end(), {top, left});
  }
  for (const Simd level : levels()) {
    for (const int threads : kThreads) {
      std::vector<std::uint64_t> total(count);
      std::vector<std::uint64_t> squares(count);
      std::vector<std::uint64_t> total_at(count);
      std::vector<std::uint64_t> squares_at(count);
      cemvis::window_sums_grid(image, grid, total, squares, threads, level);
      cemvis::window_sums_at(image, top_left, grid.window, total_at, squares_at, threads, level);
      for (std::size_t k = 0; k < count; ++k) {
        CEMVIS_CHECK(total[k] == expected[k].total && squares[k] == expected[k].squares);
        CEMVIS_CHECK(total_at[k] == expected[k].total && squares_at[k] == expected[k].squares);
      }
      std::vector<std::uint64_t> total_alone(count);
      cemvis::window_sums_grid(image, grid, total_alone, {}, threads, level);
      CEMVIS_CHECK(total_alone == total);
    }
  }
}

template <class T>
void check_sums() {
  constexpr std::int64_t rows = 61;
  constexpr std::int64_t cols = 83;
  const auto pixels = noise<T>(rows * cols);
  for (const auto& image : views(pixels, rows, cols)) {
    for (const Extent window : {Extent{1, 1}, Extent{17, 5}, Extent{40, 33}, Extent{61, 83}}) {
      for (const Extent step : {Extent{1, 1}, Extent{3, 11}, Extent{17, 5}, Extent{20, 40}, Extent{1000, 1}}) {
        check_grid(image, {window, step});
      }
    }
  }
}

// Large enough to be cut into bands and strips for many threads.
template <class T>
void check_cuts() {
  constexpr std::int64_t rows = 1200;
  constexpr std::int64_t cols = 900;
  const auto pixels = noise<T>(rows * cols);
  const WindowGrid grid{{150, 131}, {7, 5}};
  const Extent shape = cemvis::grid_shape({rows, cols}, grid);
  const auto count = static_cast<std::size_t>(shape.rows * shape.cols);
  for (const auto& image : views(pixels, rows, cols)) {
    std::vector<std::uint64_t> one_total(count);
    std::vector<std::uint64_t> one_squares(count);
    cemvis::window_sums_grid(image, grid, one_total, one_squares, 1);
    for (const int threads : {2, 3, 7, 200}) {
      std::vector<std::uint64_t> total(count);
      std::vector<std::uint64_t> squares(count);
      cemvis::window_sums_grid(image, grid, total, squares, threads);
      CEMVIS_CHECK(total == one_total && squares == one_squares);
    }
  }
}

double grey(const ImageView<std::uint8_t>& image, std::int64_t row, std::int64_t col, const WindowGather& gather) {
  const auto inside = [](std::int64_t index, std::int64_t size) { return index >= 0 && index < size; };
  if (gather.border == Border::constant && !(inside(row, image.rows) && inside(col, image.cols))) {
    return gather.fill;
  }
  const auto moved_in = [&](std::int64_t index, std::int64_t size) {
    while (!inside(index, size)) {
      if (gather.border == Border::nearest) {
        index = index < 0 ? 0 : size - 1;
      } else {
        index = index < 0 ? -index : 2 * (size - 1) - index;
      }
    }
    return index;
  };
  return image.at(moved_in(row, image.rows), moved_in(col, image.cols));
}

// The mean of the samples behind output (i, j), in double precision.
double gathered_by_definition(const ImageView<std::uint8_t>& image, double centre_row, double centre_col,
                              const WindowGather& gather, std::int64_t i, std::int64_t j) {
  double sum = 0;
  for (std::int64_t k = i * gather.downsample; k < (i + 1) * gather.downsample; ++k) {
    for (std::int64_t m = j * gather.downsample; m < (j + 1) * gather.downsample; ++m) {
      const double row = centre_row - 0.5 * static_cast<double>(gather.window.rows - 1) + static_cast<double>(k);
      const double col = centre_col - 0.5 * static_cast<double>(gather.window.cols - 1) + static_cast<double>(m);
      const double y = row - std::floor(row);
      const double x = col - std::floor(col);
      const auto r = static_cast<std::int64_t>(std::floor(row));
      const auto c = static_cast<std::int64_t>(std::floor(col));
      sum += (1 - y) * ((1 - x) * grey(image, r, c, gather) + x * grey(image, r, c + 1, gather)) +
             y * ((1 - x) * grey(image, r + 1, c, gather) + x * grey(image, r + 1, c + 1, gather));
    }
  }
  const double mean = sum / static_cast<double>(gather.downsample * gather.downsample);
  return (mean - gather.grey_mean) / gather.grey_sd;
}

void check_gather() {
  constexpr std::int64_t rows = 41;
  constexpr std::int64_t cols = 57;
  const auto pixels = noise<std::uint8_t>(rows * cols);
  // Inside to the last pixel, across each border and corner, far outside; whole, half and other positions.
  const std::vector<double> centres = {5.5, 8.5, 35.5, 48.5, 20,    30,  17.25, 22.75, 0.5, 25.5, 40.1, 25.5,
                                       20,  0.5, 20.5, 56.5, -90.3, 300, 20.5,  30.25, 20,  30.5, -3,   -2};
  const auto count = static_cast<std::int64_t>(centres.size() / 2);
  constexpr Extent window{12, 18};
  for (const auto& image : views(pixels, rows, cols)) {
    for (const Border border : {Border::reflect, Border::nearest, Border::constant}) {
      for (const std::int64_t downsample : {1, 3}) {
        const WindowGather gather{window, downsample, border, 77.5F, 120.5F, 31.7F};
        const Extent out_shape{window.rows / downsample, window.cols / downsample};
        std::vector<float> first;
        for (const Simd level : levels()) {
          for (const int threads : kThreads) {
            std::vector<float> out(static_cast<std::size_t>(count * out_shape.rows * out_shape.cols));
            cemvis::gather_windows(image, centres, gather, out, threads, level);
            if (first.empty()) {
              first = out;
            }
            CEMVIS_CHECK(out == first);
          }
        }
        std::size_t at = 0;
        for (std::size_t n = 0; n < centres.size(); n += 2) {
          for (std::int64_t k = 0; k < out_shape.rows * out_shape.cols; ++k) {
            const double expected = gathered_by_definition(image, centres[n], centres[n + 1], gather,
                                                           k / out_shape.cols, k % out_shape.cols);
            CEMVIS_CHECK(std::abs(first[at++] - expected) < 1e-5);
          }
        }
      }
    }
  }
}

// Enough windows for many threads to share.
void check_shared_gather() {
  constexpr std::int64_t side = 300;
  const auto pixels = noise<std::uint16_t>(side * side);
  const ImageView<std::uint16_t> image{pixels.data(), side, side, side, 1};
  const WindowGather gather{{64, 64}, 1, Border::reflect, 0.0F, 0.0F, 1.0F};
  std::vector<double> centres;
  for (int n = 0; n < 300; ++n) {
    centres.insert(centres.end(), {0.9 * n, 150.5 + 0.3 * n});
  }
  std::vector<float> alone(centres.size() / 2 * 64 * 64);
  cemvis::gather_windows(image, centres, gather, alone, 1);
  for (const int threads : {2, 5}) {
    std::vector<float> shared(alone.size());
    cemvis::gather_windows(image, centres, gather, shared, threads);
    CEMVIS_CHECK(shared == alone);
  }
}

void check_refusals() {
  const auto pixels = noise<std::uint8_t>(600);
  const ImageView<std::uint8_t> image{pixels.data(), 20, 30, 30, 1};
  std::vector<std::uint64_t> sums(100);
  const auto grid = [&](Extent window, Extent step, std::size_t outputs, int threads) {
    cemvis::window_sums_grid(image, {window, step}, std::span(sums).first(outputs), {}, threads);
  };
  grid({10, 10}, {10, 10}, 6, 1);
  CEMVIS_CHECK_THROWS(grid({10, 10}, {10, 10}, 5, 1), std::invalid_argument);
  CEMVIS_CHECK_THROWS(grid({10, 10}, {10, 10}, 6, 0), std::invalid_argument);
  CEMVIS_CHECK_THROWS(grid({21, 10}, {10, 10}, 6, 1), std::invalid_argument);
  CEMVIS_CHECK_THROWS(grid({10, 31}, {10, 10}, 6, 1), std::invalid_argument);
  CEMVIS_CHECK_THROWS(grid({0, 10}, {10, 10}, 6, 1), std::invalid_argument);
  CEMVIS_CHECK_THROWS(grid({10, 10}, {10, 0}, 6, 1), std::invalid_argument);

  const auto at = [&](const std::vector<std::int64_t>& top_left) {
    cemvis::window_sums_at(image, top_left, {5, 5}, std::span(sums).first(top_left.size() / 2), {}, 1);
  };
  at({15, 25, 0, 0});
  CEMVIS_CHECK_THROWS(at({16, 25}), std::invalid_argument);
  CEMVIS_CHECK_THROWS(at({0, 26}), std::invalid_argument);
  CEMVIS_CHECK_THROWS(at({-1, 0}), std::invalid_argument);
  CEMVIS_CHECK_THROWS(at({1, 2, 3}), std::invalid_argument);

  CEMVIS_CHECK(cemvis::border_named("nearest") == Border::nearest);
  CEMVIS_CHECK_THROWS(cemvis::border_named("wrap"), std::invalid_argument);
  std::vector<float> out(25);
  const auto gather = [&](double row, double col, const WindowGather& how) {
    cemvis::gather_windows(image, std::vector<double>{row, col}, how, out, 1);
  };
  constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
  const WindowGather how{{5, 5}, 1, Border::refuse, 0.0F, 0.0F, 1.0F};
  gather(2, 27, how);
  CEMVIS_CHECK_THROWS(gather(2, 27.5, how), std::invalid_argument);
  CEMVIS_CHECK_THROWS(gather(1, 10, how), std::invalid_argument);
  CEMVIS_CHECK_THROWS(gather(not_a_number, 10, how), std::invalid_argument);
  CEMVIS_CHECK_THROWS(gather(1e300, 10, {{5, 5}}), std::invalid_argument);
  CEMVIS_CHECK_THROWS(gather(2, 2, {{5, 4}}), std::invalid_argument);
  CEMVIS_CHECK_THROWS(gather(2, 2, {{5, 5}, 2}), std::invalid_argument);
  CEMVIS_CHECK_THROWS(gather(2, 2, {{5, 5}, 1, Border::reflect, 0.0F, 0.0F, 0.0F}), std::invalid_argument);
  CEMVIS_CHECK_THROWS(gather(2, 2, {{5, 5}, 1, Border::reflect, 0.0F, INFINITY, 1.0F}), std::invalid_argument);
}

// The largest sums that the loops can meet.
template <class T>
void check_brightest() {
  constexpr std::int64_t rows = cemvis::kLargestWindow;
  const T top = std::numeric_limits<T>::max();
  const std::vector<T> pixels(static_cast<std::size_t>(rows * 3), top);
  const ImageView<T> image{pixels.data(), rows, 3, 3, 1};
  std::uint64_t total = 0;
  std::uint64_t squares = 0;
  cemvis::window_sums_grid(image, {{rows, 3}, {1, 1}}, std::span(&total, 1), std::span(&squares, 1), 2);
  CEMVIS_CHECK(total == static_cast<std::uint64_t>(rows) * 3 * top);
  CEMVIS_CHECK(squares == static_cast<std::uint64_t>(rows) * 3 * top * top);
}

}  // namespace

int main() {
  check_sums<std::uint8_t>();
  check_sums<std::uint16_t>();
  check_cuts<std::uint8_t>();
  check_cuts<std::uint16_t>();
  check_brightest<std::uint8_t>();
  check_brightest<std::uint16_t>();
  check_gather();
  check_shared_gather();
  check_refusals();
}

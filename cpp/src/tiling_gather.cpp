#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "cemvis/tiling.hpp"
#include "tiling_rows.hpp"
#include "tiling_runs.hpp"

namespace cemvis {
namespace {

constexpr std::int64_t kOutside = -1;

// The pixel that stands for pixel `index` of an axis of `size` pixels, or kOutside if the border has none.
std::int64_t source_pixel(std::int64_t index, std::int64_t size, Border border) {
  if (index >= 0 && index < size) {
    return index;
  }
  switch (border) {
    case Border::nearest:
      return std::clamp<std::int64_t>(index, 0, size - 1);
    case Border::reflect: {
      if (size == 1) {
        return 0;
      }
      const std::int64_t period = 2 * (size - 1);
      const std::int64_t folded = ((index % period) + period) % period;
      return std::min(folded, period - folded);
    }
    case Border::constant:
    case Border::refuse:
      break;
  }
  return kOutside;
}

// What a window needs along one axis. An output is the mean of `downsample` samples a pixel apart, each of them
// (1 - fraction) of one pixel and fraction of the next: so the pixels behind it weigh 1 - fraction, 1, ..., 1,
// fraction.
struct Axis {
  std::int64_t first = 0;
  std::int64_t count = 0;   // pixels needed
  std::int64_t beyond = 0;  // 1 if the samples lie between pixels, else 0
  float fraction = 0.0F;

  Axis(double centre, std::int64_t window) {
    constexpr double none = 0x1p-20;
    const double start = centre - 0.5 * static_cast<double>(window - 1);
    const double below = std::floor(start + none);
    first = static_cast<std::int64_t>(below);
    if (start - below > none) {
      fraction = static_cast<float>(start - below);
      beyond = 1;
    }
    count = window + beyond;
  }

  [[nodiscard]] bool inside(std::int64_t size) const { return first >= 0 && first + count <= size; }

  [[nodiscard]] float weight(std::int64_t pixel, std::int64_t downsample) const {
    if (pixel == 0) {
      return 1.0F - fraction;
    }
    return pixel == downsample ? fraction : 1.0F;
  }
};

template <class T>
const FloatLoops<T>& float_loops(const RowLoops& loops) {
  if constexpr (std::is_same_v<T, std::uint8_t>) {
    return loops.float8;
  } else {
    return loops.float16;
  }
}

// Gathers one window after the other.
template <class T>
class Gatherer {
 public:
  Gatherer(const ImageView<T>& image, const WindowGather& gather, Simd level)
      : image_(image),
        gather_(gather),
        to_{gather.grey_mean, gather.grey_sd},
        pixel_loops_(float_loops<T>(row_loops(level))),
        float_loops_(row_loops(level).float32),
        rows_out_(gather.window.rows / gather.downsample),
        cols_out_(gather.window.cols / gather.downsample),
        source_cols_(static_cast<std::size_t>(gather.window.cols + 1)),
        fetched_{std::vector<float>(source_cols_.size()), std::vector<float>(source_cols_.size())},
        row_sum_(source_cols_.size()),
        means_(static_cast<std::size_t>(cols_out_)) {}

  void gather(double centre_row, double centre_col, float* out) {
    const Axis rows(centre_row, gather_.window.rows);
    const Axis cols(centre_col, gather_.window.cols);
    adjacent_ = image_.contiguous_rows() && cols.inside(image_.cols);
    for (std::int64_t c = 0; c < cols.count; ++c) {
      source_cols_[static_cast<std::size_t>(c)] = source_pixel(cols.first + c, image_.cols, gather_.border);
    }
    for (std::int64_t i = 0; i < rows_out_; ++i, out += cols_out_) {
      if (gather_.downsample > 1) {
        average(rows, cols, i, out);
      } else if (rows.beyond + cols.beyond > 0) {
        interpolate(rows, cols, i, out);
      } else {
        copy(rows, cols, i, out);
      }
    }
  }

 private:
  [[nodiscard]] std::int64_t source_row(std::int64_t index) const {
    return source_pixel(index, image_.rows, gather_.border);
  }

  [[nodiscard]] bool is_adjacent(std::int64_t row) const { return adjacent_ && row != kOutside; }

  // The window's pixels of a row as floats, for rows where they do not lie side by side in the image.
  const float* fetch(std::int64_t row, const Axis& cols, std::vector<float>& into) const {
    const auto count = static_cast<std::size_t>(cols.count);
    for (std::size_t c = 0; c < count; ++c) {
      const bool outside = row == kOutside || source_cols_[c] == kOutside;
      into[c] = outside ? gather_.fill : static_cast<float>(image_.at(row, source_cols_[c]));
    }
    return into.data();
  }

  void copy(const Axis& rows, const Axis& cols, std::int64_t i, float* out) {
    const std::int64_t row = source_row(rows.first + i);
    if (is_adjacent(row)) {
      pixel_loops_.normalise(image_.row(row) + cols.first, cols_out_, to_, out);
    } else {
      float_loops_.normalise(fetch(row, cols, fetched_[0]), cols_out_, to_, out);
    }
  }

  void interpolate(const Axis& rows, const Axis& cols, std::int64_t i, float* out) {
    const std::int64_t above = source_row(rows.first + i);
    const std::int64_t below = source_row(rows.first + i + rows.beyond);
    const Between at{rows.fraction, cols.fraction, static_cast<std::ptrdiff_t>(cols.beyond)};
    if (is_adjacent(above) && is_adjacent(below)) {
      pixel_loops_.interpolate(image_.row(above) + cols.first, image_.row(below) + cols.first, cols_out_, at, to_, out);
    } else {
      const float* above_pixels = fetch(above, cols, fetched_[0]);
      float_loops_.interpolate(above_pixels, fetch(below, cols, fetched_[1]), cols_out_, at, to_, out);
    }
  }

  void average(const Axis& rows, const Axis& cols, std::int64_t i, float* out) {
    std::ranges::fill(row_sum_, 0.0F);
    const std::int64_t side = gather_.downsample;
    for (std::int64_t k = 0; k < side + rows.beyond; ++k) {
      const std::int64_t row = source_row(rows.first + i * side + k);
      const float weight = rows.weight(k, side);
      if (is_adjacent(row)) {
        pixel_loops_.add_weighted(image_.row(row) + cols.first, cols.count, weight, row_sum_.data());
      } else {
        float_loops_.add_weighted(fetch(row, cols, fetched_[0]), cols.count, weight, row_sum_.data());
      }
    }
    const auto pixels = static_cast<float>(side * side);
    for (std::int64_t j = 0; j < cols_out_; ++j) {
      const float* first = row_sum_.data() + j * side;
      float sum = 0.0F;
      for (std::int64_t k = 0; k < side + cols.beyond; ++k) {
        sum += cols.weight(k, side) * first[k];
      }
      means_[static_cast<std::size_t>(j)] = sum / pixels;
    }
    float_loops_.normalise(means_.data(), cols_out_, to_, out);
  }

  ImageView<T> image_;
  WindowGather gather_;
  Normalisation to_;
  FloatLoops<T> pixel_loops_;
  FloatLoops<float> float_loops_;
  std::int64_t rows_out_;
  std::int64_t cols_out_;
  bool adjacent_ = false;                  // whether the window's pixels of a row lie side by side in the image
  std::vector<std::int64_t> source_cols_;  // the image's column behind each of them
  std::array<std::vector<float>, 2> fetched_;
  std::vector<float> row_sum_;
  std::vector<float> means_;
};

void check_gather(const WindowGather& gather) {
  const Extent window = gather.window;
  check_window_size(window);
  if (gather.downsample < 1 || window.rows % gather.downsample != 0 || window.cols % gather.downsample != 0) {
    throw std::invalid_argument("downsample must divide the window");
  }
  if (!std::isfinite(gather.grey_mean) || !std::isfinite(gather.fill) || !std::isnormal(gather.grey_sd) ||
      gather.grey_sd <= 0.0F) {
    throw std::invalid_argument("grey_mean and fill must be finite as float32, grey_sd above 0 besides");
  }
}

void check_centres(std::span<const double> centres, Extent image, const WindowGather& gather) {
  constexpr double farthest = 0x1p40;
  for (std::size_t k = 0; k < centres.size(); k += 2) {
    if (!(std::abs(centres[k]) <= farthest) || !(std::abs(centres[k + 1]) <= farthest)) {
      throw std::invalid_argument("centre " + std::to_string(k / 2) + " is not finite or too far away");
    }
    if (gather.border == Border::refuse && (!Axis(centres[k], gather.window.rows).inside(image.rows) ||
                                            !Axis(centres[k + 1], gather.window.cols).inside(image.cols))) {
      throw std::invalid_argument("window " + std::to_string(k / 2) + " does not lie in the image");
    }
  }
}

}  // namespace

Border border_named(std::string_view name) {
  if (name == "reflect") {
    return Border::reflect;
  }
  if (name == "nearest") {
    return Border::nearest;
  }
  if (name == "constant") {
    return Border::constant;
  }
  if (name == "refuse") {
    return Border::refuse;
  }
  throw std::invalid_argument("border must be reflect, nearest, constant or refuse");
}

template <class T>
void gather_windows(const ImageView<T>& image, std::span<const double> centres, const WindowGather& gather,
                    std::span<float> out, int threads, Simd level) {
  if (image.rows < 1 || image.cols < 1) {
    throw std::invalid_argument("the image is empty");
  }
  if (centres.size() % 2 != 0) {
    throw std::invalid_argument("centres must hold (row, col) pairs");
  }
  check_threads(threads);
  check_gather(gather);
  check_centres(centres, {image.rows, image.cols}, gather);
  const auto count = static_cast<std::int64_t>(centres.size() / 2);
  const std::int64_t pixels_out = gather.window.rows * gather.window.cols / (gather.downsample * gather.downsample);
  if (out.size() != static_cast<std::size_t>(count * pixels_out)) {
    throw std::invalid_argument("the output must hold each window's pixels");
  }
  for_runs_of_windows(count, gather.window, threads, [&](std::int64_t begin, std::int64_t end) {
    Gatherer<T> gatherer(image, gather, level);
    for (std::int64_t n = begin; n < end; ++n) {
      const auto at = static_cast<std::size_t>(2 * n);
      gatherer.gather(centres[at], centres[at + 1], out.data() + n * pixels_out);
    }
  });
}

template void gather_windows(const ImageView<std::uint8_t>&, std::span<const double>, const WindowGather&,
                             std::span<float>, int, Simd);
template void gather_windows(const ImageView<std::uint16_t>&, std::span<const double>, const WindowGather&,
                             std::span<float>, int, Simd);

}  // namespace cemvis

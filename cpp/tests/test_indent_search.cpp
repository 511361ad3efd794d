#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <stdexcept>
#include <vector>

#include "cemvis/indent_search.hpp"
#include "check.hpp"

namespace {

using cemvis::ImageView;
using cemvis::Simd;

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
    pixel = static_cast<T>(random() % 256);
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
  };
}

struct Sums {
  double response = 0.0;
  double correlation = 0.0;
};

template <class T>
Sums by_definition(const ImageView<T>& image, const ImageView<float>& pattern, std::int64_t top, std::int64_t left) {
  const auto count = static_cast<double>(pattern.rows * pattern.cols);
  Sums sums;
  double grey = 0.0;
  double greys = 0.0;
  double weight = 0.0;
  double weights = 0.0;
  for (std::int64_t r = 0; r < pattern.rows; ++r) {
    for (std::int64_t c = 0; c < pattern.cols; ++c) {
      const auto g = static_cast<double>(image.at(top + r, left + c));
      const auto w = static_cast<double>(pattern.at(r, c));
      sums.response += g * w;
      grey += g;
      greys += g * g;
      weight += w;
      weights += w * w;
    }
  }
  const double spread = (greys - grey * grey / count) * (weights - weight * weight / count);
  sums.correlation = spread > 0.0 ? (sums.response - grey * weight / count) / std::sqrt(spread) : 0.0;
  return sums;
}

// Compares both maps with the definition at some windows, the last ones among them, and all levels bit by bit.
template <class T>
void check_maps(const ImageView<T>& image, const ImageView<float>& pattern) {
  const std::int64_t rows = image.rows - pattern.rows + 1;
  const std::int64_t cols = image.cols - pattern.cols + 1;
  std::vector<float> expected_response;
  std::vector<float> expected_correlation;
  for (const Simd level : levels()) {
    for (const int threads : kThreads) {
      std::vector<float> response(static_cast<std::size_t>(rows * cols));
      std::vector<float> correlation(response.size());
      cemvis::linear_response(image, pattern, std::span<float>(response), threads, level);
      cemvis::normalised_correlation(image, pattern, std::span<float>(correlation), threads, level);
      if (expected_response.empty()) {
        expected_response = response;
        expected_correlation = correlation;
        for (std::int64_t r = rows - 1; r >= 0; r -= 13) {
          for (std::int64_t c = cols - 1; c >= 0; c -= 17) {
            const auto i = static_cast<std::size_t>(r * cols + c);
            const Sums sums = by_definition(image, pattern, r, c);
            // Some 2e-6 of the norms of template and tile, 1 and 75 a pixel.
            CEMVIS_CHECK(std::abs(static_cast<double>(response[i]) - sums.response) <
                         2e-6 * 75 *
                             std::sqrt(static_cast<double>(image.rows * image.cols * pattern.rows * pattern.cols)));
            CEMVIS_CHECK(std::abs(static_cast<double>(correlation[i]) - sums.correlation) < 1e-4);
          }
        }
      }
      CEMVIS_CHECK(response == expected_response);
      CEMVIS_CHECK(correlation == expected_correlation);
    }
  }
}

template <class T>
void maps_equal_the_definition() {
  const auto pixels = noise<T>(62307);
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> weights(1247);
  for (float& weight : weights) {
    weight = normal(random);
  }
  for (const auto& image : views(pixels, 301, 207)) {
    check_maps(image, {weights.data(), 43, 29, 29, 1});
  }
  check_maps<T>({pixels.data(), 301, 207, 207, 1}, {weights.data() + weights.size() - 1, 29, 43, -1, -29});
  check_maps<T>({pixels.data(), 43, 29, 29, 1}, {weights.data(), 43, 29, 29, 1});  // one window
}

template <class T>
void patches_equal_the_map() {
  const auto pixels = noise<T>(10800);
  const std::vector<float> weights = noise<float>(620);
  const ImageView<float> pattern{weights.data(), 20, 31, 31, 1};
  const ImageView<T> image{pixels.data(), 120, 90, 90, 1};
  constexpr std::int64_t far = std::numeric_limits<std::int64_t>::max();
  const std::vector<std::int64_t> places = {0, 0, 50, 30, 100, 59, -3, 200, far, -far, 97, 2, 40, 61};
  constexpr std::int64_t radius = 4;
  constexpr std::int64_t side = 2 * radius + 1;
  constexpr std::size_t patch = side * side;
  std::vector<float> expected;
  for (const Simd level : levels()) {
    for (const int threads : kThreads) {
      std::vector<float> patches(places.size() / 2 * patch);
      cemvis::response_patches<T>(image, pattern, places, radius, patches, threads, level);
      for (std::size_t i = 0; i < patches.size(); ++i) {
        const auto place = i / patch;
        const auto inside = static_cast<std::int64_t>(i % patch);
        if (places[2 * place] == far) {
          CEMVIS_CHECK(std::isnan(patches[i]));
          continue;
        }
        const std::int64_t top = places[2 * place] + inside / side - radius;
        const std::int64_t left = places[2 * place + 1] + inside % side - radius;
        if (top < 0 || left < 0 || top > 100 || left > 59) {
          CEMVIS_CHECK(std::isnan(patches[i]));
        } else {
          const double sum = by_definition(image, pattern, top, left).response;
          CEMVIS_CHECK(std::abs(static_cast<double>(patches[i]) - sum) < 1e-5 * sum);
        }
      }
      if (expected.empty()) {
        expected = patches;
      }
      for (std::size_t i = 0; i < patches.size(); ++i) {
        CEMVIS_CHECK(patches[i] == expected[i] || (std::isnan(patches[i]) && std::isnan(expected[i])));
      }
    }
  }
}

template <class T>
void block_means_equal_the_definition() {
  const auto pixels = noise<T>(3015);
  for (const auto& image : views(pixels, 67, 45)) {
    for (const std::int64_t factor : {1, 2, 3, 4, 8, 45}) {
      const std::int64_t rows = 67 / factor;
      const std::int64_t cols = 45 / factor;
      for (const Simd level : levels()) {
        std::vector<float> means(static_cast<std::size_t>(rows * cols));
        cemvis::downsampled(image, factor, std::span<float>(means), 2, level);
        for (std::int64_t i = 0; i < rows * cols; ++i) {
          double total = 0.0;
          for (std::int64_t p = 0; p < factor * factor; ++p) {
            total += static_cast<double>(image.at(i / cols * factor + p / factor, i % cols * factor + p % factor));
          }
          const auto mean = static_cast<float>(total / static_cast<double>(factor * factor));
          CEMVIS_CHECK(std::abs(means[static_cast<std::size_t>(i)] - mean) <= 1e-6F * mean);
        }
      }
    }
  }
}

void flat_windows_are_zero() {
  const std::vector<std::uint8_t> pixels(4200, 201);
  const auto weights = noise<float>(81);
  std::vector<float> out(3224, 1.0F);
  cemvis::normalised_correlation<std::uint8_t>({pixels.data(), 60, 70, 70, 1}, {weights.data(), 9, 9, 9, 1}, out, 1);
  for (const float value : out) {
    CEMVIS_CHECK(value == 0.0F);
  }
}

void wrong_arguments_throw() {
  auto pixels = noise<float>(400);
  auto weights = noise<float>(25);
  std::vector<float> out(256);
  const ImageView<float> image{pixels.data(), 20, 20, 20, 1};
  const ImageView<float> pattern{weights.data(), 5, 5, 5, 1};
  const std::vector<std::int64_t> places = {3, 3};
  const std::span<float> all(out);
  CEMVIS_CHECK_THROWS(cemvis::linear_response(image, pattern, all.first(3), 1), std::invalid_argument);
  CEMVIS_CHECK_THROWS(cemvis::linear_response(image, pattern, all, 0), std::invalid_argument);
  CEMVIS_CHECK_THROWS(cemvis::linear_response<float>({pixels.data(), 4, 20, 20, 1}, pattern, all, 1),
                      std::invalid_argument);
  CEMVIS_CHECK_THROWS(cemvis::linear_response(image, {weights.data(), 0, 5, 5, 1}, all, 1), std::invalid_argument);
  CEMVIS_CHECK_THROWS(cemvis::normalised_correlation(image, {weights.data(), 5, 5, 0, 0}, all, 1),
                      std::invalid_argument);
  CEMVIS_CHECK_THROWS(cemvis::response_patches(image, pattern, places, -1, all, 1), std::invalid_argument);
  CEMVIS_CHECK_THROWS(cemvis::response_patches(image, pattern, places, 2, all, 1), std::invalid_argument);
  CEMVIS_CHECK_THROWS(cemvis::response_patches(image, pattern, std::span(places).first(1), 0, all.first(0), 1),
                      std::invalid_argument);
  CEMVIS_CHECK_THROWS(cemvis::downsampled(image, 0, all, 1), std::invalid_argument);
  CEMVIS_CHECK_THROWS(cemvis::downsampled(image, 257, all.first(0), 1), std::invalid_argument);
  CEMVIS_CHECK_THROWS(cemvis::downsampled(image, 2, all, 1), std::invalid_argument);
  pixels[399] = std::numeric_limits<float>::quiet_NaN();
  CEMVIS_CHECK_THROWS(cemvis::linear_response(image, pattern, all, 2), std::invalid_argument);
  weights[24] = std::numeric_limits<float>::infinity();
  CEMVIS_CHECK_THROWS(cemvis::response_patches(image, pattern, places, 0, all.first(1), 1), std::invalid_argument);
}

}  // namespace

int main() {
  maps_equal_the_definition<std::uint8_t>();
  maps_equal_the_definition<std::uint16_t>();
  maps_equal_the_definition<float>();
  patches_equal_the_map<std::uint8_t>();
  patches_equal_the_map<std::uint16_t>();
  patches_equal_the_map<float>();
  block_means_equal_the_definition<std::uint8_t>();
  block_means_equal_the_definition<std::uint16_t>();
  block_means_equal_the_definition<float>();
  flat_windows_are_zero();
  wrong_arguments_throw();
  return 0;
}

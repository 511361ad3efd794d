#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "cemvis/two_point.hpp"
#include "check.hpp"

namespace {

using cemvis::LevelView;
using cemvis::PairAlgorithm;
using cemvis::PairRequest;
using cemvis::PairStatistic;
using cemvis::Simd;

using Levels = std::vector<std::uint8_t>;
using Counts = std::vector<std::uint64_t>;

Levels noise(std::int64_t pixels, unsigned levels, unsigned seed = 1) {
  Levels values(static_cast<std::size_t>(pixels));
  std::uint32_t state = seed;
  for (auto& value : values) {
    state = state * 1664525U + 1013904223U;
    value = static_cast<std::uint8_t>((state >> 16U) % levels);
  }
  return values;
}

LevelView view(const Levels& values, std::int64_t slices, std::int64_t rows, std::int64_t cols) {
  return {values.data(), {slices, rows, cols}, {rows * cols, cols, 1}};
}

std::vector<Simd> simd_levels() {
  std::vector<Simd> levels;
  for (const Simd level : {Simd::baseline, Simd::avx2, Simd::avx512}) {
    if (level <= cemvis::detected_simd()) {
      levels.push_back(level);
    }
  }
  return levels;
}

struct Found {
  PairAlgorithm algorithm = PairAlgorithm::automatic;
  Counts counts;
  Counts pairs;
};

Found counted(const PairRequest& request, std::int64_t r_max, PairAlgorithm algorithm, int threads = 1,
              Simd level = cemvis::simd_level()) {
  Found found;
  found.counts.resize(static_cast<std::size_t>((r_max + 1) * cemvis::pair_cells(request)));
  found.pairs.resize(static_cast<std::size_t>(r_max + 1));
  found.algorithm = cemvis::radial_pair_counts(request, r_max, algorithm, found.counts, found.pairs, threads, level);
  return found;
}

// Every first pixel with what lies at every displacement, as the header defines it.
Counts defined(const PairRequest& request, std::int64_t r_max) {
  const bool cross = request.other.data != nullptr;
  const std::int64_t cells = cemvis::pair_cells(request);
  Counts counts(static_cast<std::size_t>((r_max + 1) * cells));
  const auto& shape = request.image.shape;
  const LevelView& second = cross ? request.other : request.image;
  const LevelView& second_mask = cross ? request.other_mask : request.mask;
  const auto at = [&](const LevelView& image, std::int64_t i) -> std::int64_t {
    return image.line(i / (shape[1] * shape[2]), i / shape[2] % shape[1])[i % shape[2] * image.strides[2]];
  };
  // The pixel at a place, wrapped around if the image is periodic, or -1.
  const auto pixel = [&](std::array<std::int64_t, 3> place) -> std::int64_t {
    for (std::size_t axis = 0; axis < 3; ++axis) {
      if (request.periodic) {
        place[axis] = (place[axis] + shape[axis]) % shape[axis];
      } else if (place[axis] < 0 || place[axis] >= shape[axis]) {
        return -1;
      }
    }
    return (place[0] * shape[1] + place[1]) * shape[2] + place[2];
  };
  const std::int64_t deep = shape[0] > 1 ? r_max : 0;
  for (std::int64_t dz = -deep; dz <= deep; ++dz) {
    for (std::int64_t dy = -r_max; dy <= r_max; ++dy) {
      for (std::int64_t dx = -r_max; dx <= r_max; ++dx) {
        const bool before = dz < 0 || (dz == 0 && (dy < 0 || (dy == 0 && dx < 0)));
        const auto ring = std::lround(std::sqrt(static_cast<double>(dz * dz + dy * dy + dx * dx)));
        if (ring > r_max || (before && !cross)) {
          continue;
        }
        for (std::int64_t a = 0; a < request.image.pixels(); ++a) {
          const std::array<std::int64_t, 3> from{a / (shape[1] * shape[2]), a / shape[2] % shape[1], a % shape[2]};
          const std::int64_t line = shape[0] > 1 ? from[0] : from[1];
          const std::int64_t b = pixel({from[0] + dz, from[1] + dy, from[2] + dx});
          if (b < 0 || line < request.core_begin || line >= request.core_end ||
              (request.mask.data != nullptr && at(request.mask, a) == 0) ||
              (second_mask.data != nullptr && at(second_mask, b) == 0)) {
            continue;
          }
          const std::int64_t i = at(request.image, a);
          const std::int64_t j = at(second, b);
          std::int64_t cell = std::abs(i - j);
          if (request.statistic == PairStatistic::levels) {
            cell = cross ? i * request.levels + j : std::max(i, j) * (std::max(i, j) + 1) / 2 + std::min(i, j);
          }
          ++counts[static_cast<std::size_t>(ring * cells + cell)];
        }
      }
    }
  }
  return counts;
}

// All algorithms, threads and SIMD levels against the definition.
void check_request(PairRequest request, std::int64_t r_max) {
  for (const auto statistic : {PairStatistic::levels, PairStatistic::differences}) {
    request.statistic = statistic;
    const Counts wanted = defined(request, r_max);
    for (const Simd level : simd_levels()) {
      for (const auto algorithm :
           {PairAlgorithm::automatic, PairAlgorithm::direct, PairAlgorithm::fourier, PairAlgorithm::enumeration}) {
        if (algorithm == PairAlgorithm::fourier && request.image.shape[0] > 1) {
          continue;
        }
        for (const int threads : {1, 3}) {
          const Found found = counted(request, r_max, algorithm, threads, level);
          CEMVIS_CHECK(found.counts == wanted);
          CEMVIS_CHECK(algorithm == PairAlgorithm::automatic || found.algorithm == algorithm);
        }
      }
    }
  }
}

void check_counts() {
  for (const auto& [rows, cols] : {std::array<std::int64_t, 2>{1, 1}, {1, 40}, {37, 1}, {17, 43}}) {
    for (const unsigned levels : {2U, 5U, 256U}) {
      const Levels image = noise(rows * cols, levels);
      const Levels other = noise(rows * cols, levels, 7);
      Levels mask = noise(rows * cols, 3, 9);
      mask[0] = 1;
      PairRequest request;
      request.image = view(image, 1, rows, cols);
      const std::int64_t r_max = std::min<std::int64_t>(cemvis::largest_ring(request), 12);
      check_request(request, r_max);
      request.mask = view(mask, 1, rows, cols);
      check_request(request, r_max);
      request.core_begin = rows / 3;
      request.core_end = std::max<std::int64_t>(1, rows / 2);
      check_request(request, r_max);
      request.other = view(other, 1, rows, cols);
      check_request(request, r_max);
    }
  }
  const Levels volume = noise(std::int64_t{6} * 7 * 8, 9);
  PairRequest request;
  request.image = view(volume, 6, 7, 8);
  check_request(request, cemvis::largest_ring(request));
  request.core_begin = 2;
  request.core_end = 5;
  check_request(request, 4);
}

// Periodic images and volumes, sparse masks, and masks that differ between two images.
void check_periodic_and_sparse() {
  for (const auto& shape : {std::array<std::int64_t, 3>{1, 13, 18}, {1, 2, 40}, {5, 6, 7}}) {
    const std::int64_t pixels = shape[0] * shape[1] * shape[2];
    for (const unsigned levels : {3U, 40U, 256U}) {
      const Levels image = noise(pixels, levels);
      const Levels other = noise(pixels, levels, 7);
      Levels sparse = noise(pixels, 20, 9);
      for (auto& flag : sparse) {
        flag = flag == 0 ? 1 : 0;
      }
      sparse[static_cast<std::size_t>(pixels) / 2] = 1;
      const Levels dense = noise(pixels, 9, 11);
      for (const bool periodic : {false, true}) {
        PairRequest request;
        request.periodic = periodic;
        request.image = view(image, shape[0], shape[1], shape[2]);
        const std::int64_t r_max = std::min<std::int64_t>(cemvis::largest_ring(request), 6);
        check_request(request, r_max);
        request.mask = view(sparse, shape[0], shape[1], shape[2]);
        check_request(request, r_max);
        request.other = view(other, shape[0], shape[1], shape[2]);
        request.other_mask = view(dense, shape[0], shape[1], shape[2]);
        check_request(request, r_max);
      }
    }
  }
}

// More pairs in one cell than narrow counters hold, and lines of more than one part: nearly all pixels are alike.
void check_large_counts() {
  const std::array<std::int64_t, 2> shape{3, 8301};
  const std::int64_t pixels = shape[0] * shape[1];
  Levels mask(static_cast<std::size_t>(pixels), 1);
  mask[5] = 0;
  for (const unsigned levels : {5U, 40U}) {
    Levels image = noise(pixels, levels);
    for (std::size_t n = 400; n < image.size(); ++n) {
      image[n] = 0;
    }
    PairRequest request;
    request.image = view(image, 1, shape[0], shape[1]);
    request.levels = 40;
    check_request(request, 2);
    request.mask = view(mask, 1, shape[0], shape[1]);
    check_request(request, 2);
  }
}

// A line and a column of few valid pixels, as far as they reach: work and memory go with their length, not its square.
void check_long_lines() {
  const std::int64_t length = 30000;
  const Levels image = noise(length, 256);
  Levels mask(static_cast<std::size_t>(length));
  const std::array<std::int64_t, 4> valid{0, 17, 9000, length - 1};
  for (const auto place : valid) {
    mask[static_cast<std::size_t>(place)] = 1;
  }
  for (const bool upright : {false, true}) {
    PairRequest request;
    request.image = view(image, 1, upright ? length : 1, upright ? 1 : length);
    request.mask = view(mask, 1, upright ? length : 1, upright ? 1 : length);
    request.statistic = PairStatistic::differences;
    const Found found = counted(request, length - 1, PairAlgorithm::enumeration, 2);
    Counts wanted(found.pairs.size());
    for (const auto a : valid) {
      for (const auto b : valid) {
        wanted[static_cast<std::size_t>(std::abs(b - a))] += b >= a ? 1 : 0;
      }
    }
    CEMVIS_CHECK(found.pairs == wanted);
  }
}

// An image that fourier has to take in strips, for want of memory.
void check_strips() {
  const Levels image = noise(std::int64_t{300} * 90, 6);
  PairRequest request;
  request.image = view(image, 1, 300, 90);
  request.levels = 6;
  for (const auto statistic : {PairStatistic::levels, PairStatistic::differences}) {
    request.statistic = statistic;
    request.fourier_bytes = 2e9;
    const Found direct = counted(request, 9, PairAlgorithm::direct);
    for (const double bytes : {2e9, 4e6, 1e6, 1.0}) {
      request.fourier_bytes = bytes;
      const Found found = counted(request, 9, PairAlgorithm::fourier, 2);
      CEMVIS_CHECK(found.algorithm == PairAlgorithm::fourier);
      CEMVIS_CHECK(found.counts == direct.counts);
      CEMVIS_CHECK(found.pairs == direct.pairs);
    }
  }
}

// Numbers of fourier that are not trusted: direct does all of the work, whole or in strips, and counts nothing twice.
void check_fallback() {
  const Levels image = noise(std::int64_t{150} * 60, 9);
  const Levels other = noise(std::int64_t{150} * 60, 9, 5);
  const Levels mask = noise(std::int64_t{150} * 60, 3, 7);
  for (const auto statistic : {PairStatistic::levels, PairStatistic::differences}) {
    for (const bool cross : {false, true}) {
      for (const bool periodic : {false, true}) {
        PairRequest request;
        request.image = view(image, 1, 150, 60);
        request.mask = view(mask, 1, 150, 60);
        request.other = cross ? view(other, 1, 150, 60) : LevelView{};
        request.periodic = periodic;
        request.statistic = statistic;
        const Found direct = counted(request, 9, PairAlgorithm::direct);
        for (const double bytes : {2e9, 1.0}) {
          request.fourier_bytes = bytes;
          for (const double guard : {0.0, 0.25}) {
            request.fourier_guard = guard;
            const Found found = counted(request, 9, PairAlgorithm::fourier, 2);
            CEMVIS_CHECK(found.algorithm == (guard > 0 ? PairAlgorithm::fourier : PairAlgorithm::direct));
            CEMVIS_CHECK(found.counts == direct.counts);
            CEMVIS_CHECK(found.pairs == direct.pairs);
          }
        }
      }
    }
  }
}

// Counts are added to what there is.
void check_adding() {
  const Levels image = noise(200, 4);
  PairRequest request;
  request.image = view(image, 1, 10, 20);
  for (const auto algorithm : {PairAlgorithm::direct, PairAlgorithm::fourier, PairAlgorithm::enumeration}) {
    Found found = counted(request, 3, algorithm);
    const Counts once = found.counts;
    cemvis::radial_pair_counts(request, 3, algorithm, found.counts, found.pairs, 2);
    for (std::size_t cell = 0; cell < once.size(); ++cell) {
      CEMVIS_CHECK(found.counts[cell] == 2 * once[cell]);
    }
  }
}

void check_refusals() {
  const Levels image = noise(60, 9);
  const Levels empty(60);
  PairRequest request;
  request.image = view(image, 1, 6, 10);
  const auto count = [](const PairRequest& wrong, std::int64_t r_max, std::size_t missing = 0) {
    Counts counts(static_cast<std::size_t>((r_max + 1) * cemvis::pair_cells(wrong)) - missing);
    Counts pairs(static_cast<std::size_t>(r_max + 1));
    cemvis::radial_pair_counts(wrong, r_max, PairAlgorithm::direct, counts, pairs, 1);
  };
  count(request, 10);
  CEMVIS_CHECK_THROWS(count(request, 11), std::invalid_argument);
  CEMVIS_CHECK_THROWS(count(request, 3, 1), std::invalid_argument);
  PairRequest wrong = request;
  wrong.mask = view(empty, 1, 6, 10);
  CEMVIS_CHECK_THROWS(count(wrong, 3), std::invalid_argument);
  wrong = request;
  wrong.mask = view(image, 1, 10, 6);
  CEMVIS_CHECK_THROWS(count(wrong, 3), std::invalid_argument);
  wrong = request;
  wrong.levels = 5;
  CEMVIS_CHECK_THROWS(count(wrong, 3), std::invalid_argument);
  wrong.levels = 257;
  CEMVIS_CHECK_THROWS(count(wrong, 3), std::invalid_argument);
  wrong = request;
  wrong.core_begin = 6;
  CEMVIS_CHECK_THROWS(count(wrong, 3), std::invalid_argument);
  wrong = request;
  wrong.periodic = true;
  count(wrong, 3);
  CEMVIS_CHECK_THROWS(count(wrong, 4), std::invalid_argument);
  wrong.core_begin = 1;
  CEMVIS_CHECK_THROWS(count(wrong, 3), std::invalid_argument);
  CEMVIS_CHECK(cemvis::pair_algorithm_named("pairs") == PairAlgorithm::enumeration);
  CEMVIS_CHECK_THROWS(cemvis::pair_algorithm_named("fft"), std::invalid_argument);
}

}  // namespace

int main() {
  check_counts();
  check_periodic_and_sparse();
  check_large_counts();
  check_long_lines();
  check_strips();
  check_fallback();
  check_adding();
  check_refusals();
}

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <limits>
#include <vector>

#include "two_point_loops.hpp"
#include "two_point_parts.hpp"
#include "two_point_transforms.hpp"

namespace cemvis::pairs {
namespace {

constexpr int kMostIndicators = 128;  // levels whose spectra are kept

// Seconds for each n log2 n of a grid of n places, measured: of one function's transform, and of one back.
constexpr double kForward = 3.1e-10;
constexpr double kBack = 1.4e-10;

// How the levels become codes, and what becomes of the counts: those of cell c go to cell_of[c].
struct Method {
  bool indicators = false;  // or characteristic functions
  std::vector<std::uint16_t> first;
  std::vector<std::uint16_t> second;
  std::int64_t first_codes = 0;
  std::int64_t second_codes = 0;
  std::vector<std::uint32_t> cell_of;
};

std::vector<std::uint16_t> places_of(const std::vector<int>& levels) {
  std::vector<std::uint16_t> table(kMostLevels);
  for (std::size_t i = 0; i < levels.size(); ++i) {
    table[static_cast<std::size_t>(levels[i])] = static_cast<std::uint16_t>(i);
  }
  return table;
}

Method characteristic(const Survey& survey) {
  Method method;
  method.first_codes = method.second_codes = survey.span() + 1;
  method.first.resize(kMostLevels);
  for (const int level : survey.both) {
    method.first[static_cast<std::size_t>(level)] = static_cast<std::uint16_t>(level - survey.both.front());
  }
  method.second = method.first;
  for (int d = 0; d <= survey.span(); ++d) {
    method.cell_of.push_back(static_cast<std::uint32_t>(d));
  }
  return method;
}

Method indicators(const Survey& survey) {
  Method method;
  method.indicators = true;
  const auto& rows = survey.cross ? survey.first : survey.both;
  const auto& cols = survey.cross ? survey.second : survey.both;
  method.first = places_of(rows);
  method.second = places_of(cols);
  method.first_codes = static_cast<std::int64_t>(rows.size());
  method.second_codes = static_cast<std::int64_t>(cols.size());
  const bool differences = survey.request.statistic == PairStatistic::differences;
  if (survey.cross) {
    for (const int i : rows) {
      for (const int j : cols) {
        method.cell_of.push_back(
            static_cast<std::uint32_t>(differences ? std::abs(i - j) : i * survey.request.levels + j));
      }
    }
    return method;
  }
  for (std::size_t b = 0; b < cols.size(); ++b) {
    for (std::size_t a = 0; a <= b; ++a) {
      const int i = cols[a];
      const int j = cols[b];
      method.cell_of.push_back(static_cast<std::uint32_t>(differences ? j - i : j * (j + 1) / 2 + i));
    }
  }
  return method;
}

Place reach_of(std::int64_t r_max) { return {0, r_max, r_max}; }

// Without another image, pairs that begin in some rows are those of these rows with the ones in reach below, less those
// of the latter alone: images correlated with themselves, whose spectra are real and even. A strip is as high as the
// memory allows.
bool splits(const Survey& survey) { return !survey.cross && !survey.request.periodic; }

// A periodic image is the same in all directions: the second box surrounds the first, as with another image.
Boxes fourier_boxes(const Survey& survey, std::int64_t r_max) {
  Survey around = survey;
  around.cross = !splits(survey);
  return boxes(around, reach_of(r_max));
}

FourierGrid whole_grid(const Survey& survey, std::int64_t r_max) {
  const Boxes box = fourier_boxes(survey, r_max);
  return splits(survey) ? grid_for(box.second_shape, box.second_shape, {}, r_max)
                        : grid_for(box.first_shape, box.second_shape,
                                   {0, box.first[1] - box.second[1], box.first[2] - box.second[2]}, r_max);
}

std::int64_t strip_rows(const Survey& survey, std::int64_t r_max, std::int64_t lanes) {
  const std::int64_t rows = survey.core_end - survey.core_begin;
  if (!splits(survey)) {
    return rows;
  }
  const double row_bytes = image_bytes(whole_grid(survey, r_max), 1, lanes, true);
  const auto fitting = static_cast<std::int64_t>(survey.request.fourier_bytes / 2 / row_bytes) - r_max;
  if (fitting >= rows) {
    return rows;
  }
  const std::int64_t height = std::max({fitting, 2 * r_max, std::int64_t{64}});
  const std::int64_t strips = (rows + height - 1) / height;
  return (rows + strips - 1) / strips;
}

double transform_work(const FourierGrid& grid) {
  const double points = static_cast<double>(grid.rows) * static_cast<double>(grid.cols);
  return points * std::log2(points);
}

double seconds_by(const Method& method, const Survey& survey, std::int64_t r_max, int threads) {
  const std::int64_t lanes = pair_transforms(simd_level()).lanes;
  FourierGrid grid = whole_grid(survey, r_max);
  const std::int64_t rows = survey.core_end - survey.core_begin;
  const std::int64_t height = strip_rows(survey, r_max, lanes);
  double times = 1.0;
  if (height < rows) {
    // The halo is transformed with each strip and again alone.
    times = std::ceil(static_cast<double>(rows) / static_cast<double>(height)) *
            static_cast<double>(height + 3 * r_max) / static_cast<double>(height + r_max);
    grid.rows = grid_side(height + 2 * r_max);
  }
  const double images = splits(survey) ? 1.0 : 2.0;
  const double points = static_cast<double>(grid.rows) * static_cast<double>(grid.cols);
  if (image_bytes(grid, std::min(grid.rows, height + 2 * r_max), lanes, splits(survey)) >
      survey.request.fourier_bytes) {
    return std::numeric_limits<double>::infinity();
  }
  const auto codes = static_cast<double>(method.first_codes);
  const auto other_codes = static_cast<double>(method.second_codes);
  const auto width = static_cast<double>(lanes);
  const double per_thread = transform_work(grid) * times / threads;
  const auto whole = [width](double count, double group) { return std::ceil(count / (group * width)) * width; };
  if (!method.indicators) {
    return whole(codes, 1) * per_thread * (images * kForward + kBack);
  }
  if (codes > kMostIndicators || images * std::max(codes, width) * points * 8 > survey.request.fourier_bytes) {
    return std::numeric_limits<double>::infinity();
  }
  const double products = codes * whole(other_codes, 1) * (survey.cross ? 1.0 : 0.5 + 0.5 * width / (codes + width));
  const double packed = 4 * points <= 0x1p21 ? 0.5 : 1.0;
  return per_thread * (images * whole(codes, 2) * kForward + products * packed * kBack);
}

Method best_method(const Survey& survey, std::int64_t r_max, int threads) {
  Method by_levels = indicators(survey);
  if (survey.request.statistic == PairStatistic::levels) {
    return by_levels;
  }
  Method by_differences = characteristic(survey);
  return seconds_by(by_levels, survey, r_max, threads) < seconds_by(by_differences, survey, r_max, threads)
             ? by_levels
             : by_differences;
}

bool count_field(const Method& method, const Field& field, std::int64_t r_max, bool everywhere, int threads, Simd level,
                 Sums& sums) {
  return method.indicators ? levels_by_fourier(field, r_max, everywhere, threads, level, sums)
                           : differences_by_fourier(field, r_max, everywhere, threads, level, sums);
}

// The rows [from, to) of the image with themselves.
Field rows_alone(const Survey& survey, const Method& method, std::int64_t from, std::int64_t to) {
  Field field;
  const auto& request = survey.request;
  field.first_codes = method.first_codes;
  field.second_codes = method.second_codes;
  field.most_bytes = request.fourier_bytes;
  field.guard = request.fourier_guard;
  field.first = encode(request.image, request.mask, {0, from, 0}, {1, to - from, request.image.shape[2]}, method.first,
                       static_cast<std::uint16_t>(method.first_codes));
  return field;
}

Field two_boxes(const Survey& survey, const Method& method, std::int64_t r_max) {
  Field field;
  const auto& request = survey.request;
  const Boxes box = fourier_boxes(survey, r_max);
  field.first_codes = method.first_codes;
  field.second_codes = method.second_codes;
  field.most_bytes = request.fourier_bytes;
  field.guard = request.fourier_guard;
  field.first = encode(request.image, request.mask, box.first, box.first_shape, method.first,
                       static_cast<std::uint16_t>(method.first_codes));
  field.second = encode(survey.second_image(), survey.second_mask(), box.second, box.second_shape, method.second,
                        static_cast<std::uint16_t>(method.second_codes));
  for (std::size_t axis = 0; axis < 3; ++axis) {
    field.offset[axis] = box.first[axis] - box.second[axis];
  }
  return field;
}

}  // namespace

double fourier_seconds(const Survey& survey, std::int64_t r_max, int threads) {
  if (survey.volume) {
    return std::numeric_limits<double>::infinity();
  }
  constexpr double start = 4e-3;  // what small images pay for grids, tables and threads
  return start + seconds_by(best_method(survey, r_max, threads), survey, r_max, threads);
}

bool count_by_fourier(const Survey& survey, std::int64_t r_max, Result& result, int threads, Simd level) {
  const Method method = best_method(survey, r_max, threads);
  const std::size_t cells = method.cell_of.size();
  Sums total(static_cast<std::size_t>(r_max + 1) * cells);
  if (splits(survey)) {
    const std::int64_t rows = survey.request.image.shape[1];
    const std::int64_t height = strip_rows(survey, r_max, pair_transforms(level).lanes);
    Sums part(total.size());
    for (std::int64_t begin = survey.core_begin; begin < survey.core_end; begin += height) {
      const std::int64_t end = std::min(begin + height, survey.core_end);
      const std::int64_t halo_end = std::min(end + r_max, rows);
      if (!count_field(method, rows_alone(survey, method, begin, halo_end), r_max, false, threads, level, part)) {
        return false;
      }
      std::ranges::transform(total, part, total.begin(), std::plus<>());
      if (end == halo_end) {
        continue;
      }
      if (!count_field(method, rows_alone(survey, method, end, halo_end), r_max, false, threads, level, part)) {
        return false;
      }
      std::ranges::transform(total, part, total.begin(), std::minus<>());
    }
  } else if (!count_field(method, two_boxes(survey, method, r_max), r_max, survey.cross, threads, level, total)) {
    return false;
  }
  for (std::int64_t r = 0; r <= r_max; ++r) {
    result.add(r, [&](std::uint64_t* to) {
      for (std::size_t cell = 0; cell < cells; ++cell) {
        to[method.cell_of[cell]] += total[static_cast<std::size_t>(r) * cells + cell];
      }
    });
  }
  return true;
}

}  // namespace cemvis::pairs

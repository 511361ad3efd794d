#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <vector>

#include "cemvis/grid_walks.hpp"
#include "cemvis/parallel.hpp"

namespace cemvis {
namespace {

// So many at a time: their coefficients stay in the second-level cache, and places and results are read and written in
// whole cache lines.
constexpr std::int64_t kTablesTogether = 16;
constexpr std::int64_t kTaps = 4;
// Evaluations from which a second thread is worth its start.
constexpr std::int64_t kLongCall = 4096;

// The pole of the cubic spline's filter, after Unser et al., IEEE Trans. Signal Process. 41 (1993) 821-833.
constexpr double kPole = -0.26794919243112270647;  // sqrt(3) - 2

std::size_t index(std::int64_t n) { return static_cast<std::size_t>(n); }

// The place that place n of a mirrored row of `edge` shows.
std::int64_t mirrored(std::int64_t n, std::int64_t edge) {
  if (edge == 1) {
    return 0;
  }
  n = std::abs(n);
  return n < edge ? n : 2 * edge - 2 - n;
}

class SplineFilter {
 public:
  explicit SplineFilter(std::int64_t edge) : edge_(edge), weights_(index(edge)), first_(index(edge)) {
    const auto n = static_cast<double>(edge - 1);
    const double whole = 1.0 - std::pow(kPole, 2 * n);
    for (std::int64_t i = 0; i < edge; ++i) {
      const auto at = static_cast<double>(i);
      const bool end = i == 0 || i + 1 == edge;
      weights_[index(i)] =
          static_cast<float>((std::pow(kPole, at) + (end ? 0.0 : std::pow(kPole, 2 * n - at))) / whole);
    }
  }

  // The coefficients of splines down the columns of a table, in place.
  void apply(float* table) {
    if (edge_ == 1) {
      return;
    }
    const auto z = static_cast<float>(kPole);
    std::ranges::fill(first_, 0.0F);
    for (std::int64_t r = 0; r < edge_; ++r) {
      float* row = table + r * edge_;
      for (std::int64_t c = 0; c < edge_; ++c) {
        row[c] *= 6.0F;
        first_[index(c)] += weights_[index(r)] * row[c];
      }
    }
    std::ranges::copy(first_, table);
    for (std::int64_t r = 1; r < edge_; ++r) {
      float* row = table + r * edge_;
      for (std::int64_t c = 0; c < edge_; ++c) {
        row[c] += z * row[c - edge_];
      }
    }
    float* last = table + (edge_ - 1) * edge_;
    const auto gain = static_cast<float>(kPole / (kPole * kPole - 1));
    for (std::int64_t c = 0; c < edge_; ++c) {
      last[c] = gain * (z * last[c - edge_] + last[c]);
    }
    for (std::int64_t r = edge_ - 2; r >= 0; --r) {
      float* row = table + r * edge_;
      for (std::int64_t c = 0; c < edge_; ++c) {
        row[c] = z * (row[c + edge_] - row[c]);
      }
    }
  }

 private:
  std::int64_t edge_;
  std::vector<float> weights_;  // of each row in the first coefficient of the filter's way down
  std::vector<float> first_;
};

// A table's coefficients, less its middle number so that float32 resolves the table's range and not its level. They
// lie column after column and go on one row and column before the table and two behind.
struct Spline {
  std::vector<float> coefficients;
  float level = 0.0F;
};

void make_spline(const float* table, std::int64_t edge, SplineFilter& filter, std::vector<float>& scratch,
                 Spline& spline) {
  const std::int64_t size = edge * edge;
  spline.level = table[size / 2];
  scratch.resize(index(2 * size));
  float* down = scratch.data();
  float* across = down + size;
  for (std::int64_t n = 0; n < size; ++n) {
    down[n] = table[n] - spline.level;
  }
  filter.apply(down);
  for (std::int64_t r = 0; r < edge; ++r) {
    for (std::int64_t c = 0; c < edge; ++c) {
      across[c * edge + r] = down[r * edge + c];
    }
  }
  filter.apply(across);
  const std::int64_t padded = edge + kTaps - 1;
  spline.coefficients.resize(index(padded * padded));
  float* out = spline.coefficients.data();
  for (std::int64_t c = -1; c < edge + 2; ++c) {
    const float* column = across + mirrored(c, edge) * edge;
    *out++ = column[mirrored(-1, edge)];
    out = std::copy_n(column, edge, out);
    *out++ = column[mirrored(edge, edge)];
    *out++ = column[mirrored(edge + 1, edge)];
  }
}

std::array<float, kTaps> cubic_weights(float t) {
  const float s = 1.0F - t;
  return {s * s * s / 6, (4 - t * t * (6 - 3 * t)) / 6, (4 - s * s * (6 - 3 * s)) / 6, t * t * t / 6};
}

float value_at(const Spline& spline, std::int64_t edge, double x, double y) {
  const double radius = 0.5 * static_cast<double>(edge - 1);
  const bool inside = std::abs(x) <= radius && std::abs(y) <= radius;  // not where one of them is NaN
  if (!inside) {
    return 0.0F;
  }
  x += radius;
  y += radius;
  const auto col = static_cast<std::int64_t>(x);
  const auto row = static_cast<std::int64_t>(y);
  const auto across = cubic_weights(static_cast<float>(x - static_cast<double>(col)));
  const auto down = cubic_weights(static_cast<float>(y - static_cast<double>(row)));
  const std::int64_t padded = edge + kTaps - 1;
  const float* first = spline.coefficients.data() + col * padded + row;
  std::array<float, kTaps> sum{};
  for (std::size_t a = 0; a < kTaps; ++a) {
    const float* column = first + static_cast<std::int64_t>(a) * padded;
    for (std::size_t b = 0; b < kTaps; ++b) {
      sum[b] += across[a] * column[b];
    }
  }
  return spline.level + ((sum[0] * down[0] + sum[1] * down[1]) + (sum[2] * down[2] + sum[3] * down[3]));
}

}  // namespace

void interpolated(const SquareTables& tables, std::span<const double> places, std::span<float> out, int threads) {
  const std::int64_t edge = tables.edge;
  if (edge < 1 || edge % 2 == 0) {
    throw std::invalid_argument("tables must have an odd edge");
  }
  if (tables.count < 0 || tables.values.size() != index(tables.count * edge * edge)) {
    throw std::invalid_argument("tables must hold count * edge * edge numbers");
  }
  const auto whole = index(std::max<std::int64_t>(tables.count, 1));
  if (places.size() != 2 * out.size() || out.size() % whole != 0 || (tables.count == 0 && !out.empty())) {
    throw std::invalid_argument("places and results must hold two numbers and one number a place and table");
  }
  if (out.empty() || tables.count == 0) {
    return;
  }
  const auto repeats = static_cast<std::int64_t>(out.size()) / tables.count;
  const std::int64_t groups = (tables.count + kTablesTogether - 1) / kTablesTogether;
  const auto useful = std::min<std::int64_t>(threads, static_cast<std::int64_t>(out.size()) / kLongCall + 1);
  parallel_for(groups, threads < 1 ? threads : static_cast<int>(useful), [&](std::int64_t group) {
    const std::int64_t from = group * kTablesTogether;
    const std::int64_t to = std::min(from + kTablesTogether, tables.count);
    SplineFilter filter(edge);
    std::vector<float> scratch;
    std::array<Spline, kTablesTogether> splines;
    for (std::int64_t n = from; n < to; ++n) {
      make_spline(tables.values.data() + n * edge * edge, edge, filter, scratch, splines[index(n - from)]);
    }
    for (std::int64_t m = 0; m < repeats; ++m) {
      for (std::int64_t n = from; n < to; ++n) {
        const double* place = places.data() + 2 * (m * tables.count + n);
        out[index(m * tables.count + n)] = value_at(splines[index(n - from)], edge, place[0], place[1]);
      }
    }
  });
}

}  // namespace cemvis

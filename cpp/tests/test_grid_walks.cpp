#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "cemvis/grid_walks.hpp"
#include "check.hpp"

namespace {

using cemvis::ScoreTables;
using cemvis::Simd;
using cemvis::WalkModel;

std::vector<Simd> levels() {
  std::vector<Simd> found;
  for (const Simd level : {Simd::baseline, Simd::avx2, Simd::avx512}) {
    if (level <= cemvis::detected_simd()) {
      found.push_back(level);
    }
  }
  return found;
}

struct Found {
  std::vector<std::int64_t> columns;
  std::vector<std::int64_t> rows;
  std::vector<double> score;
  bool operator==(const Found&) const = default;
};

std::size_t size_of(std::int64_t n) { return static_cast<std::size_t>(n); }

Found fitted(const ScoreTables& tables, const WalkModel& model, const std::vector<float>& beginnings, int threads,
             Simd level = cemvis::simd_level()) {
  const std::size_t starts = beginnings.empty() ? 1 : beginnings.size() / size_of(tables.rows * tables.offsets);
  Found found{std::vector<std::int64_t>(starts * size_of(tables.columns)),
              std::vector<std::int64_t>(starts * size_of(tables.rows)), std::vector<double>(starts)};
  cemvis::joint_offsets(tables, model, beginnings, {found.columns, found.rows, found.score}, threads, level);
  return found;
}

struct Case {
  std::vector<float> scores;
  std::vector<std::int64_t> columns;
  std::vector<std::int64_t> rows;
};

// Noise, and an imprint's score where each column's and row's shift puts it.
Case planted(std::int64_t rows, std::int64_t columns, std::int64_t k, float amplitude, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> noise;
  Case made;
  made.scores.resize(size_of(rows * columns * k * k));
  std::ranges::generate(made.scores, [&] { return noise(random); });
  for (auto [walk, n] : {std::pair{&made.columns, columns}, std::pair{&made.rows, rows}}) {
    std::int64_t at = k / 2;
    for (std::int64_t i = 0; i < n; ++i) {
      at = std::clamp<std::int64_t>(at + static_cast<std::int64_t>(random() % 3) - 1, 0, k - 1);
      walk->push_back(at);
    }
  }
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      made.scores[size_of(((i * columns + j) * k + made.rows[size_of(i)]) * k + made.columns[size_of(j)])] += amplitude;
    }
  }
  return made;
}

std::vector<float> random_beginnings(std::int64_t starts, std::int64_t rows, std::int64_t k) {
  std::mt19937 random(3);
  std::vector<float> belief(size_of(starts * rows * k));
  for (float& each : belief) {
    each = static_cast<float>(random() % 1000 + 1) / (1000.0F * static_cast<float>(k));
  }
  return belief;
}

double joint_score(const Case& of, const ScoreTables& tables, const WalkModel& model,
                   const std::array<std::int64_t, 3>& u, const std::array<std::int64_t, 3>& v) {
  double sum = 0.0;
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      const auto at =
          ((static_cast<std::int64_t>(i) * 3 + static_cast<std::int64_t>(j)) * tables.offsets + v[i]) * tables.offsets +
          u[j];
      sum += model.amplitude * std::min<double>(of.scores[size_of(at)], 2 * model.amplitude);
    }
  }
  for (const auto& walk : {u, v}) {
    for (std::size_t i = 1; i < 3; ++i) {
      const double step = static_cast<double>(walk[i] - walk[i - 1]) / model.step_sd;
      sum -= 0.5 * step * step;
    }
  }
  return sum;
}

// All pairs of walks of three columns and three rows over three offsets.
double best_of_all(const Case& of, const ScoreTables& tables, const WalkModel& model) {
  double best = -std::numeric_limits<double>::infinity();
  for (std::int64_t a = 0; a < 27; ++a) {
    for (std::int64_t b = 0; b < 27; ++b) {
      best = std::max(best, joint_score(of, tables, model, {a / 9, a / 3 % 3, a % 3}, {b / 9, b / 3 % 3, b % 3}));
    }
  }
  return best;
}

void finds_the_maximum_of_tiny_grids() {
  constexpr WalkModel model{1.0, 3.0};
  int reached = 0;
  constexpr int cases = 200;
  for (unsigned seed = 0; seed < cases; ++seed) {
    const Case tiny = planted(3, 3, 3, 3.0F, seed);
    const ScoreTables tables{tiny.scores, 3, 3, 3};
    const Found found = fitted(tables, model, random_beginnings(4, 3, 3), 1);
    const double most = best_of_all(tiny, tables, model);
    for (std::size_t s = 0; s < 4; ++s) {
      const double own =
          joint_score(tiny, tables, model, {found.columns[3 * s], found.columns[3 * s + 1], found.columns[3 * s + 2]},
                      {found.rows[3 * s], found.rows[3 * s + 1], found.rows[3 * s + 2]});
      CEMVIS_CHECK(std::abs(own - found.score[s]) < 1e-9 * std::abs(own) + 1e-9);
      CEMVIS_CHECK(found.score[s] <= most + 1e-9);
    }
    reached += *std::ranges::max_element(found.score) > most - 1e-9 ? 1 : 0;
  }
  CEMVIS_CHECK(reached >= cases * 9 / 10);
}

void gives_the_same_bits_whatever_computes_them() {
  // The last has sweeps that are long enough to be shared out.
  for (const auto& [rows, columns, k] : {std::array<std::int64_t, 3>{1, 1, 1}, {2, 5, 9}, {7, 3, 12}, {48, 60, 39}}) {
    const Case made = planted(rows, columns, k, 4.0F, 11);
    const ScoreTables tables{made.scores, rows, columns, k};
    const auto beginnings = random_beginnings(2, rows, k);
    for (const double amplitude : {0.0, 4.0}) {
      const WalkModel model{1.5, amplitude};
      const Found wanted = fitted(tables, model, beginnings, 1, Simd::baseline);
      for (const int threads : {1, 2, 5}) {
        for (const Simd level : levels()) {
          CEMVIS_CHECK(fitted(tables, model, beginnings, threads, level) == wanted);
        }
      }
    }
  }
}

void finds_what_was_planted() {
  for (const auto& [rows, columns, k] : {std::array<std::int64_t, 3>{12, 15, 21}, {1, 20, 9}, {20, 1, 9}}) {
    const Case made = planted(rows, columns, k, rows == 1 || columns == 1 ? 12.0F : 4.0F, 5);
    const Found found = fitted({made.scores, rows, columns, k}, {1.0, 0.0}, {}, 2);
    CEMVIS_CHECK(found.columns == made.columns);
    CEMVIS_CHECK(found.rows == made.rows);
  }
}

// Evidence that no walk of such steps can follow, strong enough that probabilities of the way there vanish in float32.
void survives_leaps() {
  constexpr std::int64_t n = 4;
  constexpr std::int64_t k = 61;
  std::vector<float> scores(size_of(n * n * k * k));
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      scores[size_of(((i * n + j) * k + (i % 2 == 0 ? 0 : k - 1)) * k + (j % 2 == 0 ? k - 1 : 0))] = 300.0F;
    }
  }
  const Found found = fitted({scores, n, n, k}, {0.5, 300.0}, {}, 1);
  CEMVIS_CHECK(std::isfinite(found.score[0]));
  CEMVIS_CHECK((found.columns == std::vector<std::int64_t>{k - 1, 0, k - 1, 0}));
  CEMVIS_CHECK((found.rows == std::vector<std::int64_t>{0, k - 1, 0, k - 1}));
}

void splines_pass_through_their_numbers() {
  std::mt19937 random(9);
  for (const std::int64_t edge : {1, 3, 5, 21}) {
    constexpr std::int64_t count = 19;
    std::vector<float> tables(size_of(count * edge * edge));
    for (float& each : tables) {
      each = 1000.0F + static_cast<float>(random() % 1000) / 1000.0F;
    }
    const std::int64_t half = edge / 2;
    const auto radius = static_cast<double>(half);
    std::vector<double> places;
    for (std::int64_t at = 0; at < edge * edge; ++at) {
      for (std::int64_t n = 0; n < count; ++n) {
        places.push_back(static_cast<double>(at % edge - half));
        const std::int64_t row = at / edge;
        places.push_back(static_cast<double>(row - half));
      }
    }
    std::vector<float> out(size_of(count * edge * edge));
    cemvis::interpolated({tables, count, edge}, places, out, 1);
    for (std::int64_t at = 0; at < edge * edge; ++at) {
      for (std::int64_t n = 0; n < count; ++n) {
        // One rounding of the level of 1000, and a few of the range of 1.
        CEMVIS_CHECK(std::abs(out[size_of(at * count + n)] - tables[size_of(n * edge * edge + at)]) < 7e-5F);
      }
    }
    std::vector<float> again(out.size());
    cemvis::interpolated({tables, count, edge}, places, again, 3);
    CEMVIS_CHECK(again == out);
    for (const double beyond : {radius + 1e-9, -radius - 1e-9, 1e300, static_cast<double>(NAN)}) {
      std::ranges::fill(places, beyond);
      cemvis::interpolated({tables, count, edge}, places, out, 2);
      CEMVIS_CHECK(std::ranges::all_of(out, [](float v) { return v == 0.0F; }));
    }
  }
}

void refuses() {
  const std::vector<float> scores(std::size_t{2} * 3 * 5 * 5);
  const ScoreTables good{scores, 2, 3, 5};
  const auto uniform = [](float p) { return std::vector<float>(10, p); };
  CEMVIS_CHECK_THROWS(fitted({scores, 2, 3, 4}, {}, {}, 1), std::invalid_argument);
  CEMVIS_CHECK_THROWS(fitted({{}, 0, 3, 5}, {}, {}, 1), std::invalid_argument);
  CEMVIS_CHECK_THROWS(fitted(good, {0.0, 0.0}, {}, 1), std::invalid_argument);
  CEMVIS_CHECK_THROWS(fitted(good, {1.0, -1.0}, {}, 1), std::invalid_argument);
  CEMVIS_CHECK_THROWS(fitted(good, {1.0, NAN}, {}, 1), std::invalid_argument);
  CEMVIS_CHECK_THROWS(fitted(good, {}, uniform(-0.1F), 1), std::invalid_argument);
  CEMVIS_CHECK_THROWS(fitted(good, {}, std::vector<float>(13, 0.1F), 1), std::invalid_argument);
  CEMVIS_CHECK_THROWS(fitted(good, {}, {}, 0), std::invalid_argument);
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    auto broken = scores;
    broken.back() = bad;
    CEMVIS_CHECK_THROWS(fitted({broken, 2, 3, 5}, {}, {}, 1), std::invalid_argument);
  }
  std::vector<float> out(6);
  std::vector<double> places(12);
  CEMVIS_CHECK_THROWS(cemvis::interpolated({scores, 6, 4}, places, out, 1), std::invalid_argument);
  CEMVIS_CHECK_THROWS(cemvis::interpolated({scores, 5, 5}, places, out, 1), std::invalid_argument);
  CEMVIS_CHECK_THROWS(cemvis::interpolated({scores, 6, 5}, std::span(places).first(10), out, 1), std::invalid_argument);
  CEMVIS_CHECK_THROWS(cemvis::interpolated({scores, 6, 5}, places, out, 0), std::invalid_argument);
  cemvis::interpolated({scores, 6, 5}, {}, {}, 1);
  cemvis::interpolated({{}, 0, 5}, {}, {}, 1);
}

}  // namespace

int main() {
  finds_the_maximum_of_tiny_grids();
  gives_the_same_bits_whatever_computes_them();
  finds_what_was_planted();
  survives_leaps();
  splines_pass_through_their_numbers();
  refuses();
}

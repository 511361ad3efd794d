#include "cemvis/grid_walks.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <stdexcept>

#include "cemvis/parallel.hpp"
#include "grid_walks_parts.hpp"

namespace cemvis {
namespace {

constexpr int kMostAlternations = 20;
constexpr double kLeastGain = 1e-9;  // of the score, for which it is worth going on
// Multiplications per sweep from which a start is worth several threads of its own.
constexpr std::int64_t kLongSweep = 4'000'000;

std::size_t index(std::int64_t n) { return static_cast<std::size_t>(n); }

// The path with the greatest sum of scores (n x offsets) and penalties, and that sum, after Viterbi.
double best_path(const WalkProblem& problem, const std::vector<double>& scores, std::vector<std::int64_t>& path) {
  const std::int64_t k = problem.tables.offsets;
  const auto n = static_cast<std::int64_t>(path.size());
  std::vector<std::int64_t> came_from(scores.size());
  std::vector<double> total(scores.begin(), scores.begin() + k);
  std::vector<double> next(index(k));
  for (std::int64_t i = 1; i < n; ++i) {
    problem.loops->best_steps(total.data(), problem.penalty.data(), k, next.data(), came_from.data() + i * k);
    for (std::int64_t c = 0; c < k; ++c) {
      total[index(c)] = next[index(c)] + scores[index(i * k + c)];
    }
  }
  const auto last = std::ranges::max_element(total);
  path.back() = last - total.begin();
  for (std::int64_t i = n - 1; i > 0; --i) {
    path[index(i - 1)] = came_from[index(i * k + path[index(i)])];
  }
  return *last;
}

// Scores far above what is expected are no surer than others: a bright grain must not outvote the rest.
double weighed(float score, double amplitude) {
  return amplitude * std::min(static_cast<double>(score), 2 * amplitude);
}

std::vector<double> columns_given(const WalkProblem& problem, const std::vector<std::int64_t>& at, double amplitude) {
  const auto [scores, rows, columns, k] = problem.tables;
  std::vector<double> sums(index(columns * k));
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      const float* line = scores.data() + ((i * columns + j) * k + at[index(i)]) * k;
      double* sum = sums.data() + j * k;
      for (std::int64_t u = 0; u < k; ++u) {
        sum[u] += weighed(line[u], amplitude);
      }
    }
  }
  return sums;
}

std::vector<double> rows_given(const WalkProblem& problem, const std::vector<std::int64_t>& at, double amplitude) {
  const auto [scores, rows, columns, k] = problem.tables;
  std::vector<double> sums(index(rows * k));
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      const float* table = scores.data() + (i * columns + j) * k * k + at[index(j)];
      double* sum = sums.data() + i * k;
      for (std::int64_t v = 0; v < k; ++v) {
        sum[v] += weighed(table[v * k], amplitude);
      }
    }
  }
  return sums;
}

double median_score(const WalkProblem& problem, const Walks& walks) {
  const auto [scores, rows, columns, k] = problem.tables;
  std::vector<float> found;
  found.reserve(index(rows * columns));
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      found.push_back(scores[index(((i * columns + j) * k + walks.rows[index(i)]) * k + walks.columns[index(j)])]);
    }
  }
  const auto upper = found.begin() + static_cast<std::ptrdiff_t>(found.size() / 2);
  std::nth_element(found.begin(), upper, found.end());
  if (found.size() % 2 == 1) {
    return *upper;
  }
  return 0.5 * (static_cast<double>(*std::max_element(found.begin(), upper)) + static_cast<double>(*upper));
}

void check(const ScoreTables& tables, const WalkModel& model, std::span<const float> beginnings,
           const WalksFound& found, int threads) {
  if (tables.rows < 1 || tables.columns < 1 || tables.offsets < 1) {
    throw std::invalid_argument("a grid needs at least one row, one column and one offset");
  }
  if (tables.scores.size() != index(tables.rows * tables.columns * tables.offsets * tables.offsets)) {
    throw std::invalid_argument("scores must hold rows * columns * offsets * offsets numbers");
  }
  if (!(model.step_sd > 0) || !std::isfinite(model.step_sd)) {
    throw std::invalid_argument("the steps' standard deviation must be a finite number above 0");
  }
  if (!(model.amplitude >= 0) || !(model.amplitude <= std::numeric_limits<float>::max())) {
    throw std::invalid_argument("the amplitude must be a finite number from 0 upwards");
  }
  const auto starts = found.score.size();
  if (beginnings.empty() ? starts != 1 : beginnings.size() != starts * index(tables.rows * tables.offsets)) {
    throw std::invalid_argument("beginnings must hold starts * rows * offsets numbers");
  }
  if (found.columns.size() != starts * index(tables.columns) || found.rows.size() != starts * index(tables.rows)) {
    throw std::invalid_argument("the results must hold one number a start, and a start and column or row");
  }
  if (!std::ranges::all_of(beginnings, [](float p) { return p >= 0 && p <= 1; })) {
    throw std::invalid_argument("beginnings must be probabilities from 0 to 1");
  }
  if (threads < 1) {
    throw std::invalid_argument("threads must be at least 1");
  }
}

}  // namespace

const WalkLoops& walk_loops(Simd level) {
#ifdef CEMVIS_X86_SIMD
  switch (level) {
    case Simd::avx512:
      return avx512::walk_loops;
    case Simd::avx2:
      return avx2::walk_loops;
    case Simd::baseline:
      break;
  }
#endif
  (void)level;
  return baseline::walk_loops;
}

Walks hard_walks(const WalkProblem& problem, Walks walks) {
  const std::int64_t k = problem.tables.offsets;
  double amplitude = problem.model.amplitude;
  if (amplitude == 0) {
    amplitude = std::max(1.0, median_score(problem, walks));
  }
  walks.score = -std::numeric_limits<double>::infinity();
  for (int n = 0; n < kMostAlternations; ++n) {
    best_path(problem, columns_given(problem, walks.rows, amplitude), walks.columns);
    double score = best_path(problem, rows_given(problem, walks.columns, amplitude), walks.rows);
    for (std::size_t j = 1; j < walks.columns.size(); ++j) {
      score += problem.penalty[index(walks.columns[j - 1] * k + walks.columns[j])];
    }
    const bool settled = n > 0 && !(score > walks.score + kLeastGain * std::abs(walks.score));
    walks.score = score;
    if (settled) {
      break;
    }
  }
  return walks;
}

void joint_offsets(const ScoreTables& tables, const WalkModel& model, std::span<const float> beginnings,
                   const WalksFound& found, int threads, Simd level) {
  check(tables, model, beginnings, found, threads);
  const std::vector<float> uniform(index(tables.rows * tables.offsets), 1.0F / static_cast<float>(tables.offsets));
  const auto from = beginnings.empty() ? std::span(uniform) : beginnings;
  const auto starts = static_cast<std::int64_t>(found.score.size());
  const std::int64_t sweep = tables.rows * tables.columns * tables.offsets * tables.offsets;
  const WalkProblem problem(tables, model, sweep < kLongSweep / 8 ? 1 : threads, level);
  const int outer = static_cast<int>(std::clamp<std::int64_t>(starts, 1, threads));
  const int inner = sweep < kLongSweep ? 1 : threads / outer;
  parallel_for(starts, outer, [&](std::int64_t s) {
    const auto belief = from.subspan(index(s) * uniform.size(), uniform.size());
    const Walks walks = hard_walks(problem, soft_walks(problem, belief, inner));
    std::ranges::copy(walks.columns, found.columns.begin() + s * tables.columns);
    std::ranges::copy(walks.rows, found.rows.begin() + s * tables.rows);
    found.score[index(s)] = walks.score;
  });
}

}  // namespace cemvis

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <stdexcept>

#include "cemvis/parallel.hpp"
#include "grid_walks_parts.hpp"

namespace cemvis {
namespace {

using Floats = std::vector<float>;

constexpr int kSweeps = 4;  // at each of
constexpr std::array kWeights = {0.5F, 1.0F, 2.0F};
// Greatest standardised score at which a soft sweep still takes an imprint for a plain Gaussian deviation.
constexpr float kSure = 3.0F;
constexpr float kNegligible = 1e-6F;  // probability that a sum of scores does without
// Steps that no walk takes are this likely still: without, chains whose evidence leaps would have no path at all.
constexpr float kLeap = 1e-30F;
constexpr float kFaintestLog = -80.0F;  // below, exp is next to 0 in float32

std::size_t index(std::int64_t n) { return static_cast<std::size_t>(n); }

void scale_to_one(float* values, std::int64_t count) {
  float sum = 0.0F;
  for (std::int64_t c = 0; c < count; ++c) {
    sum += values[c];
  }
  for (std::int64_t c = 0; c < count; ++c) {
    values[c] = values[c] / sum;
  }
}

// Sums over the rows of a table of steps, each times its weight.
void stepped(const WalkProblem& problem, const Floats& steps, const float* weight, std::vector<std::int64_t>& at,
             Floats& weights, float* out) {
  at.clear();
  weights.clear();
  for (std::int64_t a = 0; a < problem.tables.offsets; ++a) {
    if (weight[a] >= kLeap) {
      at.push_back(a * problem.stride);
      weights.push_back(weight[a]);
    }
  }
  std::fill_n(out, problem.stride, 0.0F);
  problem.loops->add_rows(steps.data(), at.data(), weights.data(), static_cast<std::int64_t>(at.size()), problem.stride,
                          out);
}

// Marginal distributions of a chain by the forward-backward recursion, from the logarithms of its likelihoods.
Floats marginals(const WalkProblem& problem, const Floats& log_likelihood, float weight) {
  const std::int64_t k = problem.tables.offsets;
  const std::int64_t stride = problem.stride;
  const auto n = static_cast<std::int64_t>(log_likelihood.size()) / stride;
  Floats likelihood(log_likelihood.size());
  for (std::int64_t i = 0; i < n; ++i) {
    const float* row = log_likelihood.data() + i * stride;
    const float most = weight * *std::max_element(row, row + k);
    for (std::int64_t c = 0; c < k; ++c) {
      const float difference = weight * row[c] - most;
      likelihood[index(i * stride + c)] = difference > kFaintestLog ? std::exp(difference) : 0.0F;
    }
  }
  Floats belief(likelihood);
  Floats step(index(stride));
  Floats weights;
  std::vector<std::int64_t> at;
  scale_to_one(belief.data(), k);
  for (std::int64_t i = 1; i < n; ++i) {
    float* here = belief.data() + i * stride;
    stepped(problem, problem.from, here - stride, at, weights, step.data());
    for (std::int64_t c = 0; c < k; ++c) {
      here[c] *= step[index(c)];
    }
    scale_to_one(here, k);
  }
  Floats later(index(stride), 1.0F);
  for (std::int64_t i = n - 2; i >= 0; --i) {
    for (std::int64_t c = 0; c < k; ++c) {
      later[index(c)] *= likelihood[index((i + 1) * stride + c)];
    }
    scale_to_one(later.data(), k);
    stepped(problem, problem.to, later.data(), at, weights, step.data());
    later.swap(step);
    scale_to_one(later.data(), k);
    float* here = belief.data() + i * stride;
    for (std::int64_t c = 0; c < k; ++c) {
      here[c] *= later[index(c)];
    }
    scale_to_one(here, k);
  }
  return belief;
}

// Each column's scores, expected over the rows' shifts.
Floats expected_columns(const WalkProblem& problem, const Floats& rows_belief, int threads) {
  const auto [scores, rows, columns, k] = problem.tables;
  const std::int64_t table = k * problem.stride;
  std::vector<std::int64_t> at;
  Floats weights;
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t v = 0; v < k; ++v) {
      const float belief = rows_belief[index(i * problem.stride + v)];
      if (belief >= kNegligible) {
        at.push_back(i * columns * table + v * problem.stride);
        weights.push_back(belief);
      }
    }
  }
  Floats out(index(columns * problem.stride));
  parallel_for(columns, threads, [&](std::int64_t j) {
    problem.loops->add_rows(problem.clipped.get() + j * table, at.data(), weights.data(),
                            static_cast<std::int64_t>(at.size()), problem.stride, out.data() + j * problem.stride);
  });
  return out;
}

// Each row's scores, expected over the columns' shifts.
Floats expected_rows(const WalkProblem& problem, const Floats& columns_belief, int threads) {
  const std::int64_t rows = problem.tables.rows;
  const std::int64_t columns = problem.tables.columns;
  const std::int64_t k = problem.tables.offsets;
  const std::int64_t stride = problem.stride;
  struct Span {
    std::int64_t from = 0;
    std::int64_t to = 0;
  };
  std::vector<Span> kept(index(columns));
  for (std::int64_t j = 0; j < columns; ++j) {
    const float* belief = columns_belief.data() + j * stride;
    std::int64_t from = 0;
    std::int64_t to = k;
    while (from < k && belief[from] < kNegligible) {
      ++from;
    }
    while (to > from && belief[to - 1] < kNegligible) {
      --to;
    }
    kept[index(j)] = {from / kLanes * kLanes, (to + kLanes - 1) / kLanes * kLanes};
  }
  Floats out(index(rows * stride));
  parallel_for(rows, threads, [&](std::int64_t i) {
    Floats sums(index(k * kLanes));
    for (std::int64_t j = 0; j < columns; ++j) {
      problem.loops->add_products(problem.clipped.get() + (i * columns + j) * k * stride, k, stride,
                                  columns_belief.data() + j * stride, kept[index(j)].from, kept[index(j)].to,
                                  sums.data());
    }
    for (std::int64_t v = 0; v < k; ++v) {
      const float* lane = sums.data() + v * kLanes;
      out[index(i * stride + v)] =
          ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
    }
  });
  return out;
}

std::vector<std::int64_t> likeliest(const WalkProblem& problem, const Floats& belief) {
  const auto n = static_cast<std::int64_t>(belief.size()) / problem.stride;
  std::vector<std::int64_t> best(index(n));
  for (std::int64_t i = 0; i < n; ++i) {
    const float* row = belief.data() + i * problem.stride;
    best[index(i)] = std::max_element(row, row + problem.tables.offsets) - row;
  }
  return best;
}

}  // namespace

WalkProblem::WalkProblem(const ScoreTables& of, const WalkModel& walks, int threads, Simd level)
    : tables(of),
      model(walks),
      loops(&walk_loops(level)),
      stride((of.offsets + kLanes - 1) / kLanes * kLanes),
      clipped(new float[index(of.rows * of.columns * of.offsets * stride)]),
      from(index(of.offsets * stride)),
      to(index(of.offsets * stride)),
      penalty(index(of.offsets * of.offsets)) {
  const std::int64_t k = of.offsets;
  const auto amplitude = static_cast<float>(walks.amplitude);
  const float most = amplitude == 0 ? kSure : std::max(kSure, 1.5F * amplitude);
  parallel_for(of.rows, threads, [&](std::int64_t i) {
    const std::int64_t lines = of.columns * k;
    const float* in = of.scores.data() + i * lines * k;
    float* out = clipped.get() + i * lines * stride;
    bool finite = true;
    for (std::int64_t line = 0; line < lines; ++line, in += k, out += stride) {
      for (std::int64_t c = 0; c < k; ++c) {
        finite &= std::abs(in[c]) <= std::numeric_limits<float>::max();
        out[c] = std::min(in[c], most);
      }
      std::fill(out + k, out + stride, 0.0F);
    }
    if (!finite) {
      throw std::invalid_argument("scores must be finite");
    }
  });
  for (std::int64_t a = 0; a < k; ++a) {
    double sum = 0.0;
    for (std::int64_t b = 0; b < k; ++b) {
      const double steps = static_cast<double>(a - b) / walks.step_sd;
      penalty[index(a * k + b)] = -0.5 * steps * steps;
      sum += std::exp(penalty[index(a * k + b)]);
    }
    for (std::int64_t b = 0; b < k; ++b) {
      const auto share = std::max(kLeap, static_cast<float>(std::exp(penalty[index(a * k + b)]) / sum));
      from[index(a * stride + b)] = share;
      to[index(b * stride + a)] = share;
    }
  }
}

Walks soft_walks(const WalkProblem& problem, std::span<const float> belief, int threads) {
  const std::int64_t k = problem.tables.offsets;
  Floats rows(index(problem.tables.rows * problem.stride));
  for (std::int64_t i = 0; i < problem.tables.rows; ++i) {
    std::copy_n(belief.data() + i * k, k, rows.data() + i * problem.stride);
  }
  Floats columns;
  for (const float weight : kWeights) {
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      columns = marginals(problem, expected_columns(problem, rows, threads), weight);
      rows = marginals(problem, expected_rows(problem, columns, threads), weight);
    }
  }
  return {likeliest(problem, columns), likeliest(problem, rows), 0.0};
}

}  // namespace cemvis

#include "cemvis/annealing.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "annealing_path.hpp"
#include "cemvis/parallel.hpp"

namespace cemvis {
namespace {

constexpr int kSamples = 2000;
constexpr std::int64_t kStages = 2000;
constexpr double kCooling = 1e-3;
// Where exp() is 0 to all practical purposes.
constexpr double kHopeless = 40.0;
constexpr std::int64_t kMostCost = 0x4000000000000000;  // 2^62

using paths::at;
using paths::Move;
using paths::Nearest;
using paths::Path;
using paths::Random;

Nearest nearest_things(const PathWeights& weights) {
  const std::int64_t known = std::min(paths::kNearest, weights.rows - 1);
  Nearest nearest(at(weights.rows * known));
  std::vector<std::int32_t> others(at(weights.rows));
  for (std::int64_t a = 0; a < weights.rows; ++a) {
    std::iota(others.begin(), others.end(), 0);
    std::swap(others[at(a)], others.back());
    // Ties by number, so that every library sorts alike.
    std::partial_sort(others.begin(), others.begin() + known, others.end() - 1, [&](std::int32_t b, std::int32_t c) {
      const std::int64_t to_b = weights.at(a, b);
      const std::int64_t to_c = weights.at(a, c);
      return to_b < to_c || (to_b == to_c && b < c);
    });
    std::copy_n(others.begin(), known, nearest.begin() + a * known);
  }
  return nearest;
}

double mean_increase(const Path& path, Random& random) {
  double total = 0.0;
  int increases = 0;
  for (int n = 0; n < kSamples; ++n) {
    const std::int64_t by = path.change(path.draw(random));
    if (by > 0) {
      total += static_cast<double>(by);
      ++increases;
    }
  }
  return increases > 0 ? total / increases : 0.0;
}

bool is_permutation(std::span<const std::int32_t> order) {
  std::vector<bool> seen(order.size());
  for (const std::int32_t thing : order) {
    if (thing < 0 || std::cmp_greater_equal(thing, order.size()) || seen[at(thing)]) {
      return false;
    }
    seen[at(thing)] = true;
  }
  return true;
}

void check_weights(const PathWeights& weights) {
  if (weights.rows < 1 || weights.rows != weights.cols || weights.rows > std::numeric_limits<std::int32_t>::max()) {
    throw std::invalid_argument("weights must be a square matrix");
  }
  const std::int64_t most = kMostCost / weights.rows;
  for (std::int64_t a = 0; a < weights.rows; ++a) {
    for (std::int64_t b = 0; b < a; ++b) {
      const std::int64_t weight = weights.at(a, b);
      if (weight != weights.at(b, a) || weight < 0 || weight > most) {
        throw std::invalid_argument("weights must be symmetric, not below 0, and their sum along a path below 2^62");
      }
    }
  }
}

void anneal(Path& path, PathRun& run, std::int64_t moves, std::span<std::int32_t> best) {
  Random random(run.seed);
  const double first = run.heat * mean_increase(path, random);
  std::int64_t cost = run.start_cost;
  run.cost = cost;
  for (std::int64_t stage = 0; stage < kStages; ++stage) {
    const double temperature = first * std::pow(kCooling, static_cast<double>(stage) / static_cast<double>(kStages));
    // As many moves a stage as make `moves` in all.
    const std::int64_t until = moves / kStages * (stage + 1) + moves % kStages * (stage + 1) / kStages;
    for (auto n = moves / kStages * stage + moves % kStages * stage / kStages; n < until; ++n) {
      const Move move = path.draw(random);
      const std::int64_t by = path.change(move);
      if (by > 0) {
        const double steps = static_cast<double>(by) / temperature;
        if (!(steps < kHopeless) || random.fraction() >= std::exp(-steps)) {
          continue;
        }
      }
      path.make(move);
      ++run.accepted;
      cost += by;
      if (cost < run.cost) {
        run.cost = cost;
        std::ranges::copy(path.order(), best.begin());
      }
    }
  }
}

}  // namespace

std::int64_t path_cost(const PathWeights& weights, std::span<const std::int32_t> order) {
  if (weights.rows != weights.cols || order.size() != at(weights.rows) || !is_permutation(order)) {
    throw std::invalid_argument("an order must name each row of the weights once");
  }
  std::int64_t cost = 0;
  for (std::size_t k = 1; k < order.size(); ++k) {
    cost += weights.at(order[k - 1], order[k]);
  }
  return cost;
}

void anneal_paths(const PathWeights& weights, std::span<std::int32_t> orders, std::span<PathRun> runs,
                  std::int64_t moves, int threads) {
  check_weights(weights);
  const auto count = at(weights.rows);
  if (orders.size() != runs.size() * count) {
    throw std::invalid_argument("orders must have a row for each run");
  }
  if (moves < 0) {
    throw std::invalid_argument("moves must not be below 0");
  }
  for (std::size_t n = 0; n < runs.size(); ++n) {
    if (!(runs[n].heat >= 0.0) || !std::isfinite(runs[n].heat)) {
      throw std::invalid_argument("heat must be finite and not below 0");
    }
    runs[n].start_cost = runs[n].cost = path_cost(weights, orders.subspan(n * count, count));
    runs[n].accepted = 0;
  }
  if (count < 3) {
    return;  // a path of two costs the same either way
  }
  const Nearest nearest = nearest_things(weights);
  parallel_for(static_cast<std::int64_t>(runs.size()), threads, [&](std::int64_t n) {
    const auto order = orders.subspan(at(n) * count, count);
    Path path(weights, nearest, order);
    anneal(path, runs[at(n)], moves, order);
    Path end(weights, nearest, order);
    runs[at(n)].cost += end.descend();
    std::ranges::copy(end.order(), order.begin());
  });
}

}  // namespace cemvis

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "cemvis/annealing.hpp"
#include "check.hpp"

namespace {

using cemvis::PathRun;

struct Weights {
  std::vector<std::int64_t> numbers;
  std::int64_t count = 0;

  [[nodiscard]] cemvis::PathWeights view() const { return {numbers.data(), count, count, count, 1}; }
};

Weights noise(std::int64_t count, std::uint32_t state, std::int64_t most) {
  Weights weights{std::vector<std::int64_t>(static_cast<std::size_t>(count * count)), count};
  for (std::int64_t a = 0; a < count; ++a) {
    for (std::int64_t b = 0; b < a; ++b) {
      state = state * 1664525U + 1013904223U;
      const auto weight = static_cast<std::int64_t>(state >> 8U) % (most + 1);
      weights.numbers[static_cast<std::size_t>(a * count + b)] = weight;
      weights.numbers[static_cast<std::size_t>(b * count + a)] = weight;
    }
  }
  return weights;
}

std::vector<std::int32_t> plain_orders(std::int64_t count, std::size_t runs) {
  std::vector<std::int32_t> orders;
  for (std::size_t n = 0; n < runs; ++n) {
    for (std::int64_t k = 0; k < count; ++k) {
      orders.push_back(static_cast<std::int32_t>(k));
    }
  }
  return orders;
}

std::int64_t shortest(const Weights& weights) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(weights.count));
  std::iota(order.begin(), order.end(), 0);
  std::int64_t best = std::numeric_limits<std::int64_t>::max();
  do {
    best = std::min(best, path_cost(weights.view(), order));
  } while (std::ranges::next_permutation(order).found);
  return best;
}

void test_costs_followed_are_those_of_the_path() {
  for (const std::int64_t count : {1, 2, 3, 4, 5, 8, 13, 40, 131}) {
    for (const std::int64_t moves : {0, 1, 50, 3001}) {
      const Weights weights = noise(count, static_cast<std::uint32_t>(count), 1000);
      auto orders = plain_orders(count, 4);
      std::vector<PathRun> runs{{1.0, 1}, {0.01, 2}, {0.0, 3}, {100.0, 4}};
      anneal_paths(weights.view(), orders, runs, moves, 2);
      for (std::size_t n = 0; n < runs.size(); ++n) {
        const auto size = static_cast<std::size_t>(count);
        CEMVIS_CHECK(runs[n].cost == path_cost(weights.view(), {orders.data() + n * size, size}));
        CEMVIS_CHECK(runs[n].cost <= runs[n].start_cost);
        CEMVIS_CHECK(runs[n].accepted <= moves);
      }
    }
  }
}

void test_small_paths_are_the_shortest() {
  for (std::uint32_t seed = 0; seed < 30; ++seed) {
    const std::int64_t count = 3 + seed % 5;
    const Weights weights = noise(count, seed, seed % 2 == 0 ? 3 : 100000);
    auto orders = plain_orders(count, 2);
    std::vector<PathRun> runs{{1.0, seed}, {1.0, seed + 100}};
    anneal_paths(weights.view(), orders, runs, 5000, 1);
    CEMVIS_CHECK(std::min(runs[0].cost, runs[1].cost) == shortest(weights));
  }
}

// Every reversal and every shift of up to three, either way round, by brute force.
void test_no_shorter_neighbour_is_left() {
  constexpr std::ptrdiff_t count = 24;
  const Weights weights = noise(count, 5, 100000);
  auto order = plain_orders(count, 1);
  std::vector<PathRun> runs{{0.0, 1}};
  anneal_paths(weights.view(), order, runs, 0, 1);
  CEMVIS_CHECK(runs[0].cost < runs[0].start_cost);
  for (std::ptrdiff_t first = 0; first < count; ++first) {
    for (std::ptrdiff_t stop = first + 1; stop <= count; ++stop) {
      auto other = order;
      std::reverse(other.begin() + first, other.begin() + stop);
      CEMVIS_CHECK(path_cost(weights.view(), other) >= runs[0].cost);
      if (stop - first > 3) {
        continue;
      }
      for (const bool turned : {false, true}) {
        const auto& from = turned ? other : order;
        const std::vector<std::int32_t> stretch(from.begin() + first, from.begin() + stop);
        for (std::ptrdiff_t to = 0; to <= count - (stop - first); ++to) {
          auto rest = order;
          rest.erase(rest.begin() + first, rest.begin() + stop);
          rest.insert(rest.begin() + to, stretch.begin(), stretch.end());
          CEMVIS_CHECK(path_cost(weights.view(), rest) >= runs[0].cost);
        }
      }
    }
  }
}

void test_threads_give_the_same() {
  const Weights weights = noise(80, 3, 1000000);
  auto one = plain_orders(80, 5);
  auto many = one;
  std::vector<PathRun> runs{{1.0, 1}, {1.0, 2}, {0.1, 3}, {0.1, 4}, {1.0, 1}};
  anneal_paths(weights.view(), one, runs, 20000, 1);
  anneal_paths(weights.view(), many, runs, 20000, 4);
  CEMVIS_CHECK(one == many);
  CEMVIS_CHECK(std::equal(one.begin(), one.begin() + 80, one.end() - 80));
  CEMVIS_CHECK(!std::equal(one.begin(), one.begin() + 80, one.begin() + 80));
}

void test_refusals() {
  Weights weights = noise(5, 1, 10);
  auto order = plain_orders(5, 1);
  std::vector<PathRun> runs(1);
  const auto begin = [&](std::int64_t moves = 10) { anneal_paths(weights.view(), order, runs, moves, 1); };
  CEMVIS_CHECK_THROWS(begin(-1), std::invalid_argument);
  runs[0].heat = std::numeric_limits<double>::quiet_NaN();
  CEMVIS_CHECK_THROWS(begin(), std::invalid_argument);
  runs[0].heat = 1.0;
  order[2] = 1;
  CEMVIS_CHECK_THROWS(begin(), std::invalid_argument);
  order[2] = 5;
  CEMVIS_CHECK_THROWS(begin(), std::invalid_argument);
  order = plain_orders(5, 2);
  CEMVIS_CHECK_THROWS(begin(), std::invalid_argument);
  order = plain_orders(5, 1);
  for (const std::int64_t bad : {std::int64_t{-1}, std::numeric_limits<std::int64_t>::max()}) {
    weights.numbers[1] = weights.numbers[5] = bad;
    CEMVIS_CHECK_THROWS(begin(), std::invalid_argument);
  }
  weights.numbers[1] = 3;
  weights.numbers[5] = 4;
  CEMVIS_CHECK_THROWS(begin(), std::invalid_argument);
}

}  // namespace

int main() {
  test_costs_followed_are_those_of_the_path();
  test_small_paths_are_the_shortest();
  test_no_shorter_neighbour_is_left();
  test_threads_give_the_same();
  test_refusals();
}

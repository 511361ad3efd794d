#pragma once

#include <cstdint>
#include <span>

#include "cemvis/image_view.hpp"

namespace cemvis {

// Costs of the steps of a path through all of n things: weights(a, b) = weights(b, a), not below 0, and n times the
// largest fits 62 bits. Whole numbers, so that a cost that is followed stays the cost of the path.
using PathWeights = ImageView<std::int64_t>;

struct PathRun {
  double heat = 1.0;  // of the first temperature, relative to a draw's mean cost
  std::uint64_t seed = 0;
  std::int64_t start_cost = 0;
  std::int64_t cost = 0;      // of the best path
  std::int64_t accepted = 0;  // of the moves drawn
};

// The sum of weights(order[k], order[k + 1]). Throws std::invalid_argument if `order` is no permutation.
std::int64_t path_cost(const PathWeights& weights, std::span<const std::int32_t> order);

// Looks for the shortest path through all things, by simulated annealing: each run begins with its row of `orders`,
// draws `moves` moves (two things swapped, up to three moved elsewhere, a stretch turned round; half of them bring a
// thing beside one of its nearest), while the temperature falls geometrically to 1/1000 of its first, and takes the
// best path so found to where none of these moves, reversals and shifts, shortens it. That path takes the row's place;
// it never costs more than the row did. The first temperature is `heat` times the mean increase of drawn moves.
//   Runs are dealt to threads; the same seeds give the same paths at any number of threads.
//   Throws std::invalid_argument if a weight is refused, `orders` is not runs.size() permutations, heat is below 0 or
// not finite, or moves is below 0.
void anneal_paths(const PathWeights& weights, std::span<std::int32_t> orders, std::span<PathRun> runs,
                  std::int64_t moves, int threads);

}  // namespace cemvis

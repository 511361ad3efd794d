#pragma once

// The parts of the joint fit: soft sweeps that choose a hill of the joint score, and exact paths that climb it.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cemvis/grid_walks.hpp"
#include "grid_walks_loops.hpp"

namespace cemvis {

// What all starts share. Rows of `stride` numbers are padded with zeros to whole lanes.
struct WalkProblem {
  WalkProblem(const ScoreTables& of, const WalkModel& walks, int threads, Simd level);

  ScoreTables tables;
  WalkModel model;
  const WalkLoops* loops;
  std::int64_t stride;
  // A vector would be filled with zeros first.
  std::unique_ptr<float[]> clipped;  // NOLINT(cppcoreguidelines-avoid-c-arrays,modernize-avoid-c-arrays)
  std::vector<float> from;           // from[a * stride + b]: probability of a step from a to b,
  std::vector<float> to;             // and of one from b to a: the same matrix transposed
  std::vector<double> penalty;       // its logarithm, but for a constant, offsets x offsets
};

struct Walks {
  std::vector<std::int64_t> columns;
  std::vector<std::int64_t> rows;
  double score = 0.0;
};

// The most likely shifts after mean-field sweeps at falling temperature, from rows * offsets probabilities.
Walks soft_walks(const WalkProblem& problem, std::span<const float> belief, int threads);

// The shifts and their score once exact paths for either no longer raise it.
Walks hard_walks(const WalkProblem& problem, Walks walks);

}  // namespace cemvis

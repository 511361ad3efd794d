#pragma once

#include <cstdint>
#include <span>

#include "cemvis/simd.hpp"

namespace cemvis {

// Scores of a grid of indents, each a table over `offsets` shifts of its row (down) and as many of its column (across):
// scores[((row * columns + column) * offsets + down) * offsets + across].
struct ScoreTables {
  std::span<const float> scores;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t offsets = 0;
};

// Both walks are chains of Gaussian steps, with a standard deviation in offsets.
struct WalkModel {
  double step_sd = 1.0;
  double amplitude = 0.0;  // score expected of an imprint; 0: the median of the scores found by the soft sweeps
};

// For each start, what it found; each part holds starts * columns, starts * rows and starts numbers.
struct WalksFound {
  std::span<std::int64_t> columns;
  std::span<std::int64_t> rows;
  std::span<double> score;
};

// The shifts of columns and rows that maximise the scores' sum and the walks' log probability, from several
// beginnings: soft mean-field sweeps at three temperatures, then exact paths for columns and rows in turn until neither
// raises the score. `beginnings` holds starts * rows * offsets probabilities of the rows' shifts; empty stands for one
// start at which all are equally likely. Any number of threads and any SIMD level give the same bits.
// Throws std::invalid_argument if sizes do not match, are 0, or a number is not finite or out of range.
void joint_offsets(const ScoreTables& tables, const WalkModel& model, std::span<const float> beginnings,
                   const WalksFound& found, int threads, Simd level = simd_level());

// Square tables of `edge` x `edge` numbers, one after the other; edge is odd.
struct SquareTables {
  std::span<const float> values;
  std::int64_t count = 0;
  std::int64_t edge = 0;
};

// Cubic spline through each table, mirrored at its border without repeating the outermost numbers, at places given as
// x and y from its middle: places[(n * count + table) * 2] and out[n * count + table]. 0 beyond the table and where a
// place is NaN. Throws std::invalid_argument if sizes do not match.
void interpolated(const SquareTables& tables, std::span<const double> places, std::span<float> out, int threads);

}  // namespace cemvis

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cemvis/parallel.hpp"
#include "two_point_loops.hpp"
#include "two_point_parts.hpp"

namespace cemvis::pairs {
namespace {

// The valid pixels, line by line.
struct Points {
  std::vector<std::int32_t> col;
  std::vector<std::uint16_t> code;
  std::vector<std::uint32_t> before;  // for each place, with one behind each line: how many lie before it
  std::int64_t cols = 0;

  [[nodiscard]] std::int64_t index(std::int64_t line, std::int64_t at) const {
    return before[static_cast<std::size_t>(line * (cols + 1) + std::clamp<std::int64_t>(at, 0, cols))];
  }
};

Points valid_points(const Codes& codes, std::uint16_t invalid) {
  Points points;
  points.cols = codes.shape[2];
  points.before.reserve(static_cast<std::size_t>(codes.shape[0] * codes.shape[1] * (codes.shape[2] + 1)));
  for (std::int64_t z = 0; z < codes.shape[0]; ++z) {
    for (std::int64_t y = 0; y < codes.shape[1]; ++y) {
      const std::uint16_t* line = codes.line(z, y);
      for (std::int64_t x = 0; x < codes.shape[2]; ++x) {
        points.before.push_back(static_cast<std::uint32_t>(points.col.size()));
        if (line[x] != invalid) {
          points.col.push_back(static_cast<std::int32_t>(x));
          points.code.push_back(line[x]);
        }
      }
      points.before.push_back(static_cast<std::uint32_t>(points.col.size()));
    }
  }
  points.col.resize(points.col.size() + kPairSlack);
  points.code.resize(points.code.size() + kPairSlack);
  return points;
}

// A displacement from line to line, how far its displacements reach along the line, where the first cells of their
// rings are in a table (that of dx at bases + dx), and how many of them no ring exceeds.
struct LineShift {
  std::int64_t dz = 0;
  std::int64_t dy = 0;
  std::int64_t least = 0;
  std::int64_t most = 0;
  std::int64_t bases = 0;
  std::int64_t together = 0;
};

struct Disc {
  std::vector<LineShift> lines;
  std::vector<std::uint32_t> bases;
};

// With `cells` cells a ring. `shape` is that of the second pixels, beyond which no displacement is of use: of a line
// the disc would else be as large as that of a square. Displacements along a line that lie out of reach may be looked
// up, up to shape[2] of them.
Disc disc_of(std::int64_t r_max, const Place& shape, bool everywhere, std::uint32_t cells) {
  const std::int64_t largest = ring_squares(r_max).most;
  const std::int64_t beyond = shape[2];
  Disc disc;
  disc.bases.resize(static_cast<std::size_t>(beyond));
  const std::int64_t deep = std::min(r_max, shape[0] - 1);
  const std::int64_t high = std::min(r_max, shape[1] - 1);
  for (std::int64_t dz = everywhere ? -deep : 0; dz <= deep; ++dz) {
    for (std::int64_t dy = everywhere || dz > 0 ? -high : 0; dy <= high; ++dy) {
      if (dz * dz + dy * dy > largest) {
        continue;
      }
      const std::int64_t width = std::min(whole_root(largest - dz * dz - dy * dy), shape[2] - 1);
      const bool right_only = !everywhere && dz == 0 && dy == 0;
      const auto bases = static_cast<std::int64_t>(disc.bases.size()) + width;
      std::int64_t last = -1;
      std::int64_t run = 0;
      std::int64_t longest = 0;
      for (std::int64_t dx = -width; dx <= width; ++dx) {
        const std::int64_t ring = ring_of_square(dz * dz + dy * dy + dx * dx);
        disc.bases.push_back(static_cast<std::uint32_t>(ring) * cells);
        run = ring == last ? run + 1 : 1;
        longest = std::max(longest, run);
        last = ring;
      }
      // A ring is met at most twice along a line: left and right.
      disc.lines.push_back({dz, dy, right_only ? 0 : -width, width, bases, 2 * longest});
    }
  }
  disc.bases.resize(disc.bases.size() + static_cast<std::size_t>(beyond));
  return disc;
}

// Counters of all rings and codes at once, for few codes: narrow ones, that the caches hold.
class Tally {
 public:
  static constexpr std::int64_t kMostCells = 262'144;
  static constexpr std::int64_t kMostCounted = 65535;

  Tally(std::int64_t rings, const Problem& problem, Result& result)
      : problem_(&problem),
        result_(&result),
        cells_(static_cast<std::size_t>(rings * problem.limit)),
        totals_(cells_.size()) {}

  [[nodiscard]] static std::uint32_t ring_cells(const Problem& problem) { return problem.limit; }

  // No cell occurs more than `most` times.
  void take(std::span<const std::uint32_t> cells, std::int64_t most) {
    if (most_ + most > kMostCounted) {
      empty();
    }
    most_ += most;
    std::uint16_t* counters = cells_.data();
    for (const auto cell : cells) {
      ++counters[cell];
    }
  }

  void finish() {
    empty();
    const std::uint64_t* from = totals_.data();
    for (std::int64_t ring = 0; ring < result_->bins(); ++ring, from += problem_->limit) {
      result_->add(ring, [&](std::uint64_t* cells) {
        for (std::uint32_t code = 0; code < problem_->limit; ++code) {
          cells[problem_->cell_of[code]] += from[code];
        }
      });
    }
  }

 private:
  void empty() {
    for (std::size_t cell = 0; cell < cells_.size(); ++cell) {
      totals_[cell] += cells_[cell];
    }
    std::ranges::fill(cells_, std::uint16_t{0});
    most_ = 0;
  }

  const Problem* problem_;
  Result* result_;
  std::vector<std::uint16_t> cells_;
  std::vector<std::uint64_t> totals_;
  std::int64_t most_ = 0;
};

// Pair codes sorted into rings before they are counted, for many codes: one ring's counters are in the cache at a time.
class Sorter {
 public:
  Sorter(std::int64_t rings, const Problem& problem, Result& result)
      : problem_(&problem),
        result_(&result),
        capacity_(std::clamp<std::int64_t>(kSorted / rings, 64, kMostSorted) / 64 * 64),
        // An odd number of cache lines apart, or all rings would be written to the same few of them.
        stride_(capacity_ + 32),
        sorted_(static_cast<std::size_t>(rings * stride_)) {
    for (std::int64_t ring = 0; ring < rings; ++ring) {
      next_.push_back(begin_of(ring));
      end_.push_back(begin_of(ring) + capacity_);
    }
  }

  [[nodiscard]] static std::uint32_t ring_cells(const Problem& /*problem*/) { return 65536; }

  void take(std::span<const std::uint32_t> cells, std::int64_t /*most*/) {
    for (const auto cell : cells) {
      const std::size_t ring = cell >> 16U;
      std::uint16_t* to = next_[ring];
      *to++ = static_cast<std::uint16_t>(cell);
      next_[ring] = to;
      if (to == end_[ring]) {
        count(ring);
      }
    }
  }

  void finish() {
    for (std::size_t ring = 0; ring < next_.size(); ++ring) {
      count(ring);
    }
  }

 private:
  static constexpr std::int64_t kSorted = 4'194'304;
  static constexpr std::int64_t kMostSorted = 16384;

  std::uint16_t* begin_of(std::int64_t ring) { return sorted_.data() + ring * stride_; }

  void count(std::size_t ring) {
    const std::uint16_t* begin = begin_of(static_cast<std::int64_t>(ring));
    const std::int64_t count = next_[ring] - begin;
    next_[ring] -= count;
    const std::uint32_t* cell_of = problem_->cell_of.data();
    result_->add(static_cast<std::int64_t>(ring), [=](std::uint64_t* cells) {
      for (std::int64_t x = 0; x < count; ++x) {
        ++cells[cell_of[begin[x]]];
      }
    });
  }

  const Problem* problem_;
  Result* result_;
  std::int64_t capacity_;
  std::int64_t stride_;
  std::vector<std::uint16_t> sorted_;
  std::vector<std::uint16_t*> next_;
  std::vector<std::uint16_t*> end_;
};

CellLoop cell_loop(Coding coding, const PairLoops& loops) {
  switch (coding) {
    case Coding::triangular:
      return loops.triangular_cells;
    case Coding::ordered:
      return loops.ordered_cells;
    case Coding::differences:
      break;
  }
  return loops.difference_cells;
}

// Gathers the pairs' cells for a sink that counts them, line by line and part by part.
template <class Sink>
class Enumerator {
 public:
  Enumerator(const Problem& problem, std::int64_t r_max, Result& result, Simd level)
      : problem_(&problem),
        r_max_(r_max),
        result_(&result),
        loop_(cell_loop(problem.coding, pair_loops(level))),
        first_(valid_points(problem.first, problem.first_invalid)),
        second_(valid_points(problem.second, problem.second_invalid)),
        disc_(disc_of(r_max, problem.second.shape, problem.everywhere, Sink::ring_cells(problem))) {}

  void run(int threads) const {
    const std::int64_t parts = std::min<std::int64_t>(lines(), threads);
    parallel_for(parts, threads, [&](std::int64_t part) { count(part, parts); });
  }

 private:
  static constexpr std::size_t kBuffered = 2048;

  struct Buffer {
    std::vector<std::uint32_t> cells;
    std::size_t filled = 0;
    std::int64_t most = 0;  // no cell is there more often
  };

  [[nodiscard]] std::int64_t lines() const { return problem_->first.shape[0] * problem_->first.shape[1]; }

  // First pixels in every `step`th line: lines further down have fewer pairs.
  void count(std::int64_t begin, std::int64_t step) const {
    Sink sink(r_max_ + 1, *problem_, *result_);
    Buffer buffer{std::vector<std::uint32_t>(kBuffered + static_cast<std::size_t>(second_.cols + kPairSlack))};
    const std::int64_t rows = problem_->first.shape[1];
    // Displacement by displacement: lines that lie so far apart meet few rings, whose counters stay in the cache.
    for (const auto& shift : disc_.lines) {
      for (std::int64_t line = begin; line < lines(); line += step) {
        const std::int64_t z = line / rows + shift.dz + problem_->offset[0];
        const std::int64_t y = line % rows + shift.dy + problem_->offset[1];
        if (z >= 0 && z < problem_->second.shape[0] && y >= 0 && y < problem_->second.shape[1]) {
          gather(line, z * problem_->second.shape[1] + y, shift, buffer, sink);
        }
      }
    }
    flush(buffer, sink);
    sink.finish();
  }

  void gather(std::int64_t line, std::int64_t other, const LineShift& shift, Buffer& buffer, Sink& sink) const {
    const std::int64_t end = first_.index(line, first_.cols);
    for (std::int64_t p = first_.index(line, 0); p < end; ++p) {
      const std::int64_t origin = first_.col[static_cast<std::size_t>(p)] + problem_->offset[2];
      const std::int64_t q = second_.index(other, origin + shift.least);
      const std::int64_t count = second_.index(other, origin + shift.most + 1) - q;
      if (buffer.filled >= kBuffered || buffer.most + shift.together > Tally::kMostCounted) {
        flush(buffer, sink);
      }
      loop_(first_.code[static_cast<std::size_t>(p)], disc_.bases.data() + (shift.bases - origin),
            second_.col.data() + q, second_.code.data() + q, count, buffer.cells.data() + buffer.filled);
      buffer.filled += static_cast<std::size_t>(count);
      buffer.most += shift.together;
    }
  }

  static void flush(Buffer& buffer, Sink& sink) {
    sink.take({buffer.cells.data(), buffer.filled}, buffer.most);
    buffer.filled = 0;
    buffer.most = 0;
  }

  const Problem* problem_;
  std::int64_t r_max_;
  Result* result_;
  CellLoop loop_;
  Points first_;
  Points second_;
  Disc disc_;
};

}  // namespace

void enumerate_pairs(const Problem& problem, std::int64_t r_max, Result& result, int threads, Simd level) {
  if ((r_max + 1) * problem.limit <= Tally::kMostCells) {
    Enumerator<Tally>(problem, r_max, result, level).run(threads);
  } else {
    Enumerator<Sorter>(problem, r_max, result, level).run(threads);
  }
}

}  // namespace cemvis::pairs

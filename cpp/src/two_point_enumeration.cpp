#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cemvis/parallel.hpp"
#include "two_point_parts.hpp"

namespace cemvis::pairs {
namespace {

// The valid pixels of a line.
struct Points {
  std::vector<std::int64_t> begin;  // of each line, and the end
  std::vector<std::int32_t> col;
  std::vector<std::uint16_t> code;
};

Points valid_points(const Codes& codes, std::uint16_t invalid) {
  Points points;
  for (std::int64_t z = 0; z < codes.shape[0]; ++z) {
    for (std::int64_t y = 0; y < codes.shape[1]; ++y) {
      points.begin.push_back(static_cast<std::int64_t>(points.col.size()));
      const std::uint16_t* line = codes.line(z, y);
      for (std::int64_t x = 0; x < codes.shape[2]; ++x) {
        if (line[x] != invalid) {
          points.col.push_back(static_cast<std::int32_t>(x));
          points.code.push_back(line[x]);
        }
      }
    }
  }
  points.begin.push_back(static_cast<std::int64_t>(points.col.size()));
  return points;
}

// A displacement from line to line: rings of dx = -width .. width begin at `rings` in a common table.
struct LineShift {
  std::int64_t dz = 0;
  std::int64_t dy = 0;
  std::int64_t least = 0;  // of dx
  std::int64_t width = 0;
  std::int64_t rings = 0;
};

struct Disc {
  std::vector<LineShift> lines;
  std::vector<std::uint16_t> rings;
};

Disc disc_of(std::int64_t r_max, bool volume, bool everywhere) {
  const std::int64_t most = ring_squares(r_max).most;
  Disc disc;
  const std::int64_t deep = volume ? r_max : 0;
  for (std::int64_t dz = everywhere ? -deep : 0; dz <= deep; ++dz) {
    for (std::int64_t dy = everywhere || dz > 0 ? -r_max : 0; dy <= r_max; ++dy) {
      const std::int64_t width = whole_root(most - dz * dz - dy * dy);
      if (width < 0) {
        continue;
      }
      const bool right_only = !everywhere && dz == 0 && dy == 0;
      disc.lines.push_back({dz, dy, right_only ? 0 : -width, width, static_cast<std::int64_t>(disc.rings.size())});
      for (std::int64_t dx = -width; dx <= width; ++dx) {
        disc.rings.push_back(static_cast<std::uint16_t>(ring_of_square(dz * dz + dy * dy + dx * dx)));
      }
    }
  }
  return disc;
}

// Pair codes sorted into rings before they are counted, so that one ring's counters are in the cache at a time.
class Sorter {
 public:
  Sorter(std::int64_t rings, std::int64_t capacity, const std::vector<std::uint32_t>& cell_of, Result& result)
      : capacity_(capacity),
        cell_of_(cell_of),
        result_(result),
        filled_(static_cast<std::size_t>(rings)),
        codes_(static_cast<std::size_t>(rings * capacity)) {}

  void add(std::int64_t ring, std::uint32_t code) {
    auto& filled = filled_[static_cast<std::size_t>(ring)];
    codes_[static_cast<std::size_t>(ring * capacity_ + filled)] = static_cast<std::uint16_t>(code);
    if (++filled == capacity_) {
      count(ring);
    }
  }

  void finish() {
    for (std::int64_t ring = 0; ring < static_cast<std::int64_t>(filled_.size()); ++ring) {
      count(ring);
    }
  }

 private:
  void count(std::int64_t ring) {
    auto& filled = filled_[static_cast<std::size_t>(ring)];
    const std::span<const std::uint16_t> codes(codes_.data() + ring * capacity_, static_cast<std::size_t>(filled));
    result_.add(ring, [&](std::uint64_t* cells) {
      for (const auto code : codes) {
        ++cells[cell_of_[code]];
      }
    });
    filled = 0;
  }

  std::int64_t capacity_;
  const std::vector<std::uint32_t>& cell_of_;
  Result& result_;
  std::vector<std::int64_t> filled_;
  std::vector<std::uint16_t> codes_;
};

class Enumerator {
 public:
  Enumerator(const Problem& problem, std::int64_t r_max, bool volume, Result& result)
      : problem_(problem),
        r_max_(r_max),
        result_(result),
        first_(valid_points(problem.first, problem.first_invalid)),
        second_(valid_points(problem.second, problem.second_invalid)),
        disc_(disc_of(r_max, volume, problem.everywhere)) {}

  [[nodiscard]] std::int64_t lines() const { return static_cast<std::int64_t>(first_.begin.size()) - 1; }

  void count(std::int64_t begin, std::int64_t end) {
    Sorter sorter(r_max_ + 1, std::clamp<std::int64_t>(kSorted / (r_max_ + 1), 64, 16384), problem_.cell_of, result_);
    const std::int64_t rows = problem_.first.shape[1];
    for (std::int64_t line = begin; line < end; ++line) {
      for (const auto& shift : disc_.lines) {
        const std::int64_t z = line / rows + shift.dz + problem_.offset[0];
        const std::int64_t y = line % rows + shift.dy + problem_.offset[1];
        if (z >= 0 && z < problem_.second.shape[0] && y >= 0 && y < problem_.second.shape[1]) {
          count_lines(line, z * problem_.second.shape[1] + y, shift, sorter);
        }
      }
    }
    sorter.finish();
  }

 private:
  static constexpr std::int64_t kSorted = std::int64_t{1} << 22U;

  void count_lines(std::int64_t line, std::int64_t other, const LineShift& shift, Sorter& sorter) const {
    switch (problem_.coding) {
      case Coding::triangular:
        count_points(line, other, shift, sorter, [](std::uint32_t a, std::uint32_t b) {
          const std::uint32_t high = std::max(a, b);
          return high * (high + 1) / 2 + std::min(a, b);
        });
        break;
      case Coding::ordered:
        count_points(line, other, shift, sorter, [](std::uint32_t a, std::uint32_t b) { return a + b; });
        break;
      case Coding::differences:
        count_points(line, other, shift, sorter,
                     [](std::uint32_t a, std::uint32_t b) { return a > b ? a - b : b - a; });
        break;
    }
  }

  template <class Code>
  void count_points(std::int64_t line, std::int64_t other, const LineShift& shift, Sorter& sorter,
                    const Code& code) const {
    const auto end = static_cast<std::size_t>(first_.begin[static_cast<std::size_t>(line) + 1]);
    const auto other_end = static_cast<std::size_t>(second_.begin[static_cast<std::size_t>(other) + 1]);
    auto from = static_cast<std::size_t>(second_.begin[static_cast<std::size_t>(other)]);
    auto p = static_cast<std::size_t>(first_.begin[static_cast<std::size_t>(line)]);
    for (; p < end && from < other_end; ++p) {
      const std::int64_t origin = first_.col[p] + problem_.offset[2];
      while (from < other_end && second_.col[from] < origin + shift.least) {
        ++from;
      }
      const std::uint16_t* rings = disc_.rings.data() + shift.rings + shift.width - origin;
      for (std::size_t q = from; q < other_end && second_.col[q] <= origin + shift.width; ++q) {
        sorter.add(rings[second_.col[q]], code(first_.code[p], second_.code[q]));
      }
    }
  }

  const Problem& problem_;
  std::int64_t r_max_;
  Result& result_;
  Points first_;
  Points second_;
  Disc disc_;
};

}  // namespace

void enumerate_pairs(const Problem& problem, std::int64_t r_max, bool volume, Result& result, int threads) {
  Enumerator enumerator(problem, r_max, volume, result);
  const std::int64_t lines = enumerator.lines();
  // Few parts: each has buffers for all rings to fill.
  const std::int64_t parts = std::min<std::int64_t>(lines, threads == 1 ? 1 : std::int64_t{4} * threads);
  parallel_for(parts, threads,
               [&](std::int64_t part) { enumerator.count(lines * part / parts, lines * (part + 1) / parts); });
}

}  // namespace cemvis::pairs

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <span>
#include <vector>

#include "cemvis/parallel.hpp"
#include "two_point_loops.hpp"
#include "two_point_parts.hpp"

namespace cemvis::pairs {
namespace {

// A table of counters has to fit the first cache with room to spare.
constexpr std::uint32_t kMostCells = 16384;
// Two tables in turn, where they are small: neighbouring increments of one cell wait for each other.
constexpr std::uint32_t kMostDoubled = 2048;
constexpr std::int64_t kMostCounted = 65535;  // what a counter can hold
constexpr std::int64_t kMostTotal = 2'147'483'648;
constexpr std::int64_t kSegment = 4096;   // pixels of a line done at once
constexpr std::int64_t kBuffered = 4096;  // codes before they are counted
constexpr double kUnitPairs = 16e6;

// How many pair codes make one increment, and how.
struct Grouping {
  std::int64_t group = 1;
  bool unordered = false;  // two codes as a pair without order: half the cells
  std::uint32_t cells = 0;
};

Grouping grouping(std::uint32_t codes) {
  std::int64_t group = 1;
  std::uint64_t cells = codes;
  while (codes > 1 && cells * codes <= kMostCells) {
    cells *= codes;
    ++group;
  }
  if (group <= 2 && codes <= 257) {
    return {2, true, codes * (codes + 1) / 2};
  }
  return {group, false, static_cast<std::uint32_t>(cells)};
}

// Counts codes below a limit, many of them, in 16-bit counters that are emptied before they can overflow.
class Counter {
 public:
  Counter(const PairLoops& loops, std::uint32_t codes, bool masked)
      : loops_(&loops),
        codes_(codes),
        masked_(masked),
        grouping_(grouping(codes)),
        stride_(grouping_.cells <= kMostDoubled ? static_cast<std::int64_t>(grouping_.cells) : 0),
        buffer_(kBuffered + kSegment + kPairSlack),
        joined_(grouping_.unordered ? buffer_.size() : 0),
        cells_(grouping_.cells + static_cast<std::size_t>(stride_)),
        wide_(cells_.size()),
        left_over_(codes) {}

  // Room for `count` codes, of which none occurs more than `most` times.
  std::uint16_t* room() { return buffer_.data() + filled_; }

  void take(std::int64_t count, std::int64_t most) {
    filled_ += masked_ ? loops_->compact(room(), count, static_cast<std::uint16_t>(codes_)) : count;
    total_ += count;
    most_ += grouping_.group == 1 ? most : 0;
    if (filled_ >= kBuffered || most_ > kMostCounted - kSegment) {
      count_buffer();
    }
  }

  // Whether pairs may be counted at once, without being gathered first.
  [[nodiscard]] bool takes_lines(Coding coding) const {
    return !masked_ && ((coding == Coding::triangular && grouping_.group == 1) ||
                        (coding == Coding::differences && grouping_.unordered));
  }

  // Counts the pairs of two lines; no code occurs more than `most` times.
  void take_lines(Coding coding, const std::uint16_t* one, const std::uint16_t* other, std::int64_t count,
                  std::int64_t most) {
    if (coding == Coding::triangular) {
      make_room(most);
      total_ += count;
      loops_->count_triangular(one, other, count, cells_.data());
      return;
    }
    const std::int64_t half = count / 2;
    take_two(one, other, one + half, other + half, half);
    if (count % 2 != 0) {
      ++total_;
      ++left_over_[static_cast<std::size_t>(std::abs(one[count - 1] - other[count - 1]))];
    }
  }

  // Counts the differences of two pairs of lines.
  void take_two(const std::uint16_t* one, const std::uint16_t* other, const std::uint16_t* one2,
                const std::uint16_t* other2, std::int64_t count) {
    make_room(count);
    total_ += 2 * count;
    loops_->count_differences(one, other, one2, other2, count, cells_.data());
  }

  // Whether the wide counters could overflow soon.
  [[nodiscard]] bool full() const { return total_ > kMostTotal; }

  // Adds everything to the cells of a result and starts anew.
  void finish(const std::vector<std::uint32_t>& cell_of, std::uint64_t* result) {
    count_buffer();
    for (std::int64_t x = 0; x < filled_; ++x) {
      ++left_over_[buffer_[static_cast<std::size_t>(x)]];
    }
    filled_ = 0;
    total_ = 0;
    empty();
    if (stride_ > 0) {
      for (std::uint32_t cell = 0; cell < grouping_.cells; ++cell) {
        wide_[cell] += wide_[cell + grouping_.cells];
      }
    }
    separate();
    for (std::uint32_t code = 0; code < codes_; ++code) {
      result[cell_of[code]] += left_over_[code];
    }
    std::ranges::fill(wide_, 0U);
    std::ranges::fill(left_over_, std::uint64_t{0});
  }

 private:
  // For increments of which no more than `most` go to one cell.
  void make_room(std::int64_t most) {
    if (most_ + most > kMostCounted) {
      empty();
    }
    most_ += most;
  }

  void count_buffer() {
    const std::int64_t count = filled_ / grouping_.group;
    std::uint16_t* codes = buffer_.data();
    // Grouped codes are counted once a group, and nothing better is known of them than their number.
    if (grouping_.group > 1 && counted_ + count > kMostCounted) {
      empty();
    }
    if (grouping_.unordered) {
      loops_->triangular(codes, codes + count, count, joined_.data());
      loops_->count_up(joined_.data(), count, cells_.data(), stride_);
    } else {
      if (grouping_.group > 1) {
        loops_->join(codes, count, grouping_.group, static_cast<std::uint16_t>(codes_));
      }
      loops_->count_up(codes, count, cells_.data(), stride_);
    }
    counted_ += count;
    const std::int64_t done = count * grouping_.group;
    std::copy(codes + done, codes + filled_, codes);
    filled_ -= done;
    if (grouping_.group == 1 && most_ > kMostCounted - kSegment) {
      empty();
    }
  }

  void empty() {
    loops_->widen(cells_.data(), static_cast<std::int64_t>(cells_.size()), wide_.data());
    counted_ = 0;
    most_ = 0;
  }

  // From groups of codes to codes.
  void separate() {
    if (grouping_.unordered) {
      const std::uint32_t* cell = wide_.data();
      for (std::uint32_t j = 0; j < codes_; ++j) {
        for (std::uint32_t i = 0; i <= j; ++i, ++cell) {
          left_over_[i] += *cell;
          left_over_[j] += *cell;
        }
      }
      return;
    }
    // Code by code: the sums over the first one are the counts of the groups of the others.
    std::vector<std::uint64_t> groups(wide_.begin(), wide_.begin() + grouping_.cells);
    while (groups.size() > 1) {
      const std::size_t rest = groups.size() / codes_;
      for (std::size_t others = 0; others < rest; ++others) {
        std::uint64_t sum = 0;
        for (std::uint32_t code = 0; code < codes_; ++code) {
          const std::uint64_t count = groups[others * codes_ + code];
          left_over_[code] += count;
          sum += count;
        }
        groups[others] = sum;
      }
      groups.resize(rest);
    }
  }

  const PairLoops* loops_;
  std::uint32_t codes_;
  bool masked_;
  Grouping grouping_;
  std::int64_t stride_;
  std::vector<std::uint16_t> buffer_;
  std::vector<std::uint16_t> joined_;
  std::vector<std::uint16_t> cells_;
  std::vector<std::uint32_t> wide_;
  std::vector<std::uint64_t> left_over_;
  std::int64_t filled_ = 0;
  std::int64_t total_ = 0;
  std::int64_t counted_ = 0;  // increments since the counters were last empty
  std::int64_t most_ = 0;     // no code has come more often than this since then
};

// What is known of the lines of the first image.
struct Line {
  std::int64_t begin = 0;  // its valid pixels lie in [begin, end)
  std::int64_t end = 0;
  std::int64_t most = 0;  // no pair code can occur more often with first pixels in this line
};

Line line_facts(const std::uint16_t* codes, std::int64_t cols, std::uint32_t invalid, std::vector<std::int64_t>& seen) {
  std::ranges::fill(seen, 0);
  Line line{cols, 0, 0};
  for (std::int64_t x = 0; x < cols; ++x) {
    if (codes[x] != invalid) {
      line.begin = std::min(line.begin, x);
      line.end = x + 1;
      ++seen[codes[x]];
    }
  }
  // The pair (i, j) needs a first pixel of level i or of level j.
  std::partial_sort(seen.begin(), seen.begin() + 2, seen.end(), std::greater<>());
  line.most = seen[0] + seen[1];
  return line;
}

class Director {
 public:
  Director(const Problem& problem, const Bins& bins, Result& result, Simd level)
      : problem_(&problem),
        bins_(&bins),
        result_(&result),
        loops_(&pair_loops(level)),
        code_(code_loop(problem.coding, *loops_)) {
    const auto& shape = problem.first.shape;
    std::uint16_t largest = 0;
    for (const auto code : problem.first.data) {
      largest = std::max(largest, code);
    }
    std::vector<std::int64_t> seen(std::max<std::size_t>(2, static_cast<std::size_t>(largest) + 1));
    lines_.reserve(static_cast<std::size_t>(shape[0] * shape[1]));
    for (std::int64_t z = 0; z < shape[0]; ++z) {
      for (std::int64_t y = 0; y < shape[1]; ++y) {
        lines_.push_back(line_facts(problem.first.line(z, y), shape[2], problem.first_invalid, seen));
      }
    }
  }

  // Bin `bin`, first pixels in the lines [begin, end).
  void count(std::int64_t bin, std::int64_t begin, std::int64_t end) {
    Counter counter(*loops_, problem_->limit, problem_->masked);
    const auto shifts = bins_->list(bin);
    const std::int64_t rows = problem_->first.shape[1];
    const bool by_twos = problem_->coding == Coding::differences && counter.takes_lines(problem_->coding);
    std::int64_t together = 1;
    for (std::int64_t line = begin; line < end; line += together) {
      together = by_twos && line + 1 < end && line % rows + 1 < rows ? 2 : 1;
      if (lines_[static_cast<std::size_t>(line)].begin >= lines_[static_cast<std::size_t>(line)].end) {
        continue;
      }
      for (const auto& shift : shifts) {
        if (together == 2) {
          count_two_lines(line / rows, line % rows, shift, counter);
        } else {
          count_line(line / rows, line % rows, shift, counter);
        }
        if (counter.full()) {
          finish(bin, counter);
        }
      }
    }
    finish(bin, counter);
  }

  [[nodiscard]] std::int64_t lines() const { return static_cast<std::int64_t>(lines_.size()); }

 private:
  void finish(std::int64_t bin, Counter& counter) {
    result_->add(bin, [&](std::uint64_t* cells) { counter.finish(problem_->cell_of, cells); });
  }

  // Of images without a mask: lines y and y + 1 have valid pixels from end to end.
  void count_two_lines(std::int64_t z, std::int64_t y, const Shift& shift, Counter& counter) const {
    const auto& second = problem_->second;
    const std::int64_t other_z = z + shift.dz + problem_->offset[0];
    const std::int64_t other_y = y + shift.dy + problem_->offset[1];
    if (other_z < 0 || other_z >= second.shape[0] || other_y < 0 || other_y + 1 >= second.shape[1]) {
      count_line(z, y, shift, counter);
      count_line(z, y + 1, shift, counter);
      return;
    }
    const auto& first = problem_->first;
    const std::int64_t right = shift.dx + problem_->offset[2];
    const std::int64_t end = std::min(first.shape[2], second.shape[2] - right);
    const std::uint16_t* one = first.line(z, y);
    const std::uint16_t* other = second.line(other_z, other_y) + right;
    for (std::int64_t x = std::max<std::int64_t>(0, -right); x < end; x += kSegment) {
      counter.take_two(one + x, other + x, one + first.stride + x, other + second.stride + x,
                       std::min(kSegment, end - x));
    }
  }

  void count_line(std::int64_t z, std::int64_t y, const Shift& shift, Counter& counter) const {
    const auto& second = problem_->second;
    const std::int64_t other_z = z + shift.dz + problem_->offset[0];
    const std::int64_t other_y = y + shift.dy + problem_->offset[1];
    if (other_z < 0 || other_z >= second.shape[0] || other_y < 0 || other_y >= second.shape[1]) {
      return;
    }
    const Line& line = lines_[static_cast<std::size_t>(z * problem_->first.shape[1] + y)];
    const std::int64_t right = shift.dx + problem_->offset[2];
    const std::int64_t end = std::min(line.end, second.shape[2] - right);
    const std::uint16_t* one = problem_->first.line(z, y);
    const std::uint16_t* other = second.line(other_z, other_y) + right;
    for (std::int64_t x = std::max(line.begin, -right); x < end; x += kSegment) {
      const std::int64_t count = std::min(kSegment, end - x);
      const std::int64_t most = problem_->coding == Coding::differences ? count : std::min(count, line.most);
      if (counter.takes_lines(problem_->coding)) {
        counter.take_lines(problem_->coding, one + x, other + x, count, most);
        continue;
      }
      code_(one + x, other + x, count, counter.room());
      counter.take(count, most);
    }
  }

  const Problem* problem_;
  const Bins* bins_;
  Result* result_;
  const PairLoops* loops_;
  CodeLoop code_;
  std::vector<Line> lines_;
};

struct Unit {
  std::int64_t bin = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

}  // namespace

void count_directly(const Problem& problem, const Bins& bins, Result& result, int threads, Simd level) {
  Director director(problem, bins, result, level);
  const std::int64_t lines = director.lines();
  std::vector<Unit> units;
  for (std::int64_t bin = bins.count - 1; bin >= 0; --bin) {  // the long ones first
    const double pairs =
        static_cast<double>(bins.list(bin).size()) * static_cast<double>(lines * problem.first.shape[2]);
    const auto parts = std::clamp<std::int64_t>(static_cast<std::int64_t>(pairs / kUnitPairs), 1, lines);
    for (std::int64_t part = 0; part < parts; ++part) {
      units.push_back({bin, lines * part / parts, lines * (part + 1) / parts});
    }
  }
  parallel_for(static_cast<std::int64_t>(units.size()), threads, [&](std::int64_t index) {
    const Unit& unit = units[static_cast<std::size_t>(index)];
    director.count(unit.bin, unit.begin, unit.end);
  });
}

}  // namespace cemvis::pairs

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <numbers>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "two_point_loops.hpp"
#include "two_point_parts.hpp"

namespace cemvis::pairs {
namespace {

std::uint32_t triangle(std::uint32_t n) { return n * (n + 1) / 2; }

using LevelCounts = std::array<std::int64_t, kMostLevels>;

LevelCounts level_counts(const LevelView& image, const LevelView& mask) {
  LevelCounts counts{};
  for (std::int64_t z = 0; z < image.shape[0]; ++z) {
    for (std::int64_t y = 0; y < image.shape[1]; ++y) {
      const std::uint8_t* from = image.line(z, y);
      const std::uint8_t* flags = mask.data != nullptr ? mask.line(z, y) : nullptr;
      for (std::int64_t x = 0; x < image.shape[2]; ++x) {
        if (flags == nullptr || flags[x * mask.strides[2]] != 0) {
          ++counts[from[x * image.strides[2]]];
        }
      }
    }
  }
  return counts;
}

std::vector<int> used(const LevelCounts& counts) {
  std::vector<int> levels;
  for (int level = 0; level < kMostLevels; ++level) {
    if (counts[static_cast<std::size_t>(level)] > 0) {
      levels.push_back(level);
    }
  }
  return levels;
}

std::int64_t total(const LevelCounts& counts) {
  std::int64_t sum = 0;
  for (const auto count : counts) {
    sum += count;
  }
  return sum;
}

void check_shapes(const PairRequest& request) {
  const auto wanted = request.image.shape;
  for (const LevelView* view : {&request.mask, &request.other, &request.other_mask}) {
    if (view->data != nullptr && view->shape != wanted) {
      throw std::invalid_argument("image, other and masks must have one shape");
    }
  }
  if (request.image.data == nullptr || request.image.pixels() <= 0) {
    throw std::invalid_argument("image must have at least one pixel");
  }
  if (request.other_mask.data != nullptr && request.other.data == nullptr) {
    throw std::invalid_argument("other_mask needs other");
  }
  if (request.levels < 1 || request.levels > kMostLevels) {
    throw std::invalid_argument("levels must be 1 to 256");
  }
}

void check_levels(const std::vector<int>& levels, int allowed, const char* name) {
  if (levels.empty()) {
    throw std::invalid_argument(std::string(name) + " has no valid pixel: its mask is 0 everywhere");
  }
  if (levels.back() >= allowed) {
    throw std::invalid_argument(std::string(name) + " has a pixel of level " + std::to_string(levels.back()) +
                                ", but levels is " + std::to_string(allowed));
  }
}

std::vector<int> merged(const std::vector<int>& a, const std::vector<int>& b) {
  std::vector<int> both;
  std::ranges::set_union(a, b, std::back_inserter(both));
  return both;
}

using Table = std::array<std::uint16_t, kMostLevels>;

Table table_of(std::span<const int> levels, std::uint32_t step) {
  Table table{};
  for (std::size_t i = 0; i < levels.size(); ++i) {
    table[static_cast<std::size_t>(levels[i])] = static_cast<std::uint16_t>(i * step);
  }
  return table;
}

void encode_both(const Survey& survey, const Place& reach, const Table& first, const Table& second, Problem& problem) {
  const Boxes box = boxes(survey, reach);
  const auto& request = survey.request;
  problem.everywhere = survey.cross;
  problem.masked = survey.masked();
  problem.first = encode(request.image, request.mask, box.first, box.first_shape, first, problem.first_invalid);
  problem.second =
      encode(survey.second_image(), survey.second_mask(), box.second, box.second_shape, second, problem.second_invalid);
  for (std::size_t axis = 0; axis < 3; ++axis) {
    problem.offset[axis] = box.first[axis] - box.second[axis];
  }
}

// Two levels by their places among the levels in use.
Problem unordered_problem(const Survey& survey, const Place& reach) {
  Problem problem;
  const auto count = static_cast<std::uint32_t>(survey.both.size());
  problem.coding = Coding::triangular;
  problem.limit = triangle(count);
  problem.first_invalid = problem.second_invalid = static_cast<std::uint16_t>(count);
  for (std::uint32_t j = 0; j < count; ++j) {
    for (std::uint32_t i = 0; i <= j; ++i) {
      const auto low = static_cast<std::uint32_t>(survey.both[i]);
      const auto high = static_cast<std::uint32_t>(survey.both[j]);
      problem.cell_of.push_back(survey.request.statistic == PairStatistic::levels ? triangle(high) + low : high - low);
    }
  }
  const Table table = table_of(survey.both, 1);
  encode_both(survey, reach, table, table, problem);
  return problem;
}

// Levels of the first image in `part` alone; pixels of other levels count as invalid.
Problem ordered_problem(const Survey& survey, const Place& reach, std::span<const int> part) {
  Problem problem;
  const auto columns = static_cast<std::uint32_t>(survey.second.size());
  problem.coding = Coding::ordered;
  problem.limit = static_cast<std::uint32_t>(part.size()) * columns;
  problem.first_invalid = problem.second_invalid = static_cast<std::uint16_t>(problem.limit);
  for (const int i : part) {
    for (const int j : survey.second) {
      problem.cell_of.push_back(static_cast<std::uint32_t>(i * survey.request.levels + j));
    }
  }
  Table first{};
  first.fill(problem.first_invalid);
  for (std::size_t i = 0; i < part.size(); ++i) {
    first[static_cast<std::size_t>(part[i])] = static_cast<std::uint16_t>(i * columns);
  }
  encode_both(survey, reach, first, table_of(survey.second, 1), problem);
  problem.masked = problem.masked || part.size() < survey.first.size();
  return problem;
}

Problem difference_problem(const Survey& survey, const Place& reach) {
  Problem problem;
  problem.coding = Coding::differences;
  problem.limit = static_cast<std::uint32_t>(survey.span()) + 1;
  // So far from all levels and from each other that no difference with them is one of two levels.
  problem.first_invalid = 600;
  problem.second_invalid = 1200;
  for (std::uint32_t d = 0; d < problem.limit; ++d) {
    problem.cell_of.push_back(d);
  }
  Table table{};
  for (const int level : survey.both) {
    table[static_cast<std::size_t>(level)] = static_cast<std::uint16_t>(level - survey.both.front());
  }
  encode_both(survey, reach, table, table, problem);
  return problem;
}

}  // namespace

CodeLoop code_loop(Coding coding, const PairLoops& loops) {
  switch (coding) {
    case Coding::ordered:
      return loops.ordered;
    case Coding::differences:
      return loops.differences;
    case Coding::triangular:
      break;
  }
  return loops.triangular;
}

std::int64_t whole_root(std::int64_t value) {
  if (value < 0) {
    return -1;
  }
  auto root = static_cast<std::int64_t>(std::sqrt(static_cast<double>(value)));
  while (root * root > value) {
    --root;
  }
  while ((root + 1) * (root + 1) <= value) {
    ++root;
  }
  return root;
}

SquareRange ring_squares(std::int64_t r) { return {r == 0 ? 0 : r * r - r + 1, r * r + r}; }

std::int64_t ring_of_square(std::int64_t square) {
  const std::int64_t root = whole_root(square);
  return square > root * root + root ? root + 1 : root;
}

double ring_size(std::int64_t r, bool volume, bool everywhere) {
  constexpr double pi = std::numbers::pi;
  const auto radius = static_cast<double>(r);
  const double whole = volume ? 4 * pi * radius * radius + pi / 3 : 2 * pi * radius;
  if (r == 0) {
    return 1.0;
  }
  return everywhere ? whole : whole / 2;
}

std::vector<Shift> ring_shifts(std::int64_t r, bool volume, bool everywhere) {
  const auto [least, most] = ring_squares(r);
  std::vector<Shift> shifts;
  shifts.reserve(static_cast<std::size_t>(1.2 * ring_size(r, volume, everywhere)) + 16);
  const std::int64_t deep = volume ? r : 0;
  for (std::int64_t dz = everywhere ? -deep : 0; dz <= deep; ++dz) {
    for (std::int64_t dy = everywhere || dz > 0 ? -r : 0; dy <= r; ++dy) {
      const std::int64_t rest = dz * dz + dy * dy;
      const std::int64_t far = whole_root(most - rest);
      const std::int64_t near = whole_root(least - rest - 1) + 1;  // the first beyond the ring inside
      if (far < near) {
        continue;
      }
      const bool right_only = !everywhere && dz == 0 && dy == 0;
      // From -near the ring inside is leapt over.
      for (std::int64_t dx = right_only ? near : -far; dx <= far; dx = dx == -near ? std::max(near, dx + 1) : dx + 1) {
        shifts.push_back({dz, dy, dx});
      }
    }
  }
  return shifts;
}

Survey survey(const PairRequest& request) {
  check_shapes(request);
  Survey found;
  found.request = request;
  found.cross = request.other.data != nullptr;
  found.volume = request.image.shape[0] > 1;
  const std::int64_t lines = request.image.shape[static_cast<std::size_t>(found.core_axis())];
  found.core_begin = std::clamp<std::int64_t>(request.core_begin, 0, lines);
  found.core_end = std::clamp<std::int64_t>(request.core_end, 0, lines);
  if (found.core_begin >= found.core_end) {
    throw std::invalid_argument("no first pixels are wanted: the core is empty");
  }
  if (request.periodic && (found.core_begin > 0 || found.core_end < lines)) {
    throw std::invalid_argument("a periodic image can't be counted in pieces: leave the core out");
  }
  const LevelCounts first = level_counts(request.image, request.mask);
  found.first = used(first);
  check_levels(found.first, request.levels, "image");
  const auto pixels = static_cast<double>(request.image.pixels());
  const double first_share = static_cast<double>(total(first)) / pixels;
  found.first_masked = total(first) < request.image.pixels();
  if (found.cross) {
    const LevelCounts second = level_counts(request.other, request.other_mask);
    found.second = used(second);
    check_levels(found.second, request.levels, "other");
    found.second_masked = total(second) < request.image.pixels();
    found.valid_share = first_share * static_cast<double>(total(second)) / pixels;
  } else {
    found.second = found.first;
    found.second_masked = found.first_masked;
    found.valid_share = first_share * first_share;
  }
  found.both = merged(found.first, found.second);
  return found;
}

Boxes boxes(const Survey& survey, const Place& reach) {
  const auto& shape = survey.request.image.shape;
  Boxes box;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const bool core = static_cast<int>(axis) == survey.core_axis();
    const std::int64_t begin = core ? survey.core_begin : 0;
    const std::int64_t end = core ? survey.core_end : shape[axis];
    // Along the first axis that has a length, second pixels lie after the first ones, unless h goes everywhere.
    const std::int64_t back = core && !survey.cross ? 0 : reach[axis];
    const std::int64_t from = begin - back;
    const std::int64_t to = end + reach[axis];
    box.first[axis] = begin;
    box.first_shape[axis] = end - begin;
    box.second[axis] = survey.request.periodic ? from : std::max<std::int64_t>(from, 0);
    box.second_shape[axis] = (survey.request.periodic ? to : std::min(to, shape[axis])) - box.second[axis];
  }
  return box;
}

Codes encode(const LevelView& image, const LevelView& mask, const Place& begin, const Place& shape,
             std::span<const std::uint16_t> table, std::uint16_t invalid) {
  Codes codes;
  codes.shape = shape;
  codes.stride = shape[2];
  codes.data.assign(static_cast<std::size_t>(shape[0] * shape[1] * shape[2] + kPairSlack), 0);
  std::vector<std::int64_t> place(static_cast<std::size_t>(shape[2]));
  const auto wrapped = [](std::int64_t at, std::int64_t length) {
    const std::int64_t rest = at % length;
    return rest < 0 ? rest + length : rest;
  };
  for (std::int64_t x = 0; x < shape[2]; ++x) {
    place[static_cast<std::size_t>(x)] = wrapped(begin[2] + x, image.shape[2]);
  }
  std::uint16_t* to = codes.data.data();
  for (std::int64_t z = 0; z < shape[0]; ++z) {
    for (std::int64_t y = 0; y < shape[1]; ++y) {
      const std::int64_t from_z = wrapped(begin[0] + z, image.shape[0]);
      const std::int64_t from_y = wrapped(begin[1] + y, image.shape[1]);
      const std::uint8_t* from = image.line(from_z, from_y);
      const std::uint8_t* flags = mask.data != nullptr ? mask.line(from_z, from_y) : nullptr;
      for (const std::int64_t x : place) {
        const bool valid = flags == nullptr || flags[x * mask.strides[2]] != 0;
        *to++ = valid ? table[from[x * image.strides[2]]] : invalid;
      }
    }
  }
  return codes;
}

std::vector<Problem> problems(const Survey& survey, const Place& reach) {
  std::vector<Problem> all;
  const auto levels = static_cast<std::uint32_t>(survey.both.size());
  if (survey.request.statistic == PairStatistic::differences) {
    // Few levels far apart have fewer pairs than differences.
    const bool few = triangle(levels) <= static_cast<std::uint32_t>(survey.span()) + 1;
    all.push_back(few ? unordered_problem(survey, reach) : difference_problem(survey, reach));
    return all;
  }
  if (!survey.cross) {
    all.push_back(unordered_problem(survey, reach));
    return all;
  }
  const std::size_t largest = 65535 / survey.second.size();
  for (std::size_t begin = 0; begin < survey.first.size(); begin += largest) {
    const std::span part = std::span(survey.first).subspan(begin, std::min(largest, survey.first.size() - begin));
    all.push_back(ordered_problem(survey, reach, part));
  }
  return all;
}

}  // namespace cemvis::pairs

#pragma once

// What the algorithms of the two-point counts share.

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <vector>

#include "cemvis/two_point.hpp"
#include "two_point_loops.hpp"

namespace cemvis::pairs {

using Place = std::array<std::int64_t, 3>;  // (slice, row, col)

struct Shift {
  std::int64_t dz = 0;
  std::int64_t dy = 0;
  std::int64_t dx = 0;
};

// Least and largest h^2 with |h| rounded to r. No tie can be: (r + 1/2)^2 is not whole.
struct SquareRange {
  std::int64_t least = 0;
  std::int64_t most = 0;
};
SquareRange ring_squares(std::int64_t r);

// |h| rounded, of h^2.
std::int64_t ring_of_square(std::int64_t square);

// floor(sqrt(value)), exact; -1 below 0.
std::int64_t whole_root(std::int64_t value);

// The displacements of ring r, of a volume or a plane, in the half that holds 0 or in all directions.
std::vector<Shift> ring_shifts(std::int64_t r, bool volume, bool everywhere);

// How many there are, about.
double ring_size(std::int64_t r, bool volume, bool everywhere);

// Displacements sorted into bins.
struct Bins {
  std::int64_t count = 0;
  Place reach{};                                         // largest displacement along each axis
  std::function<std::vector<Shift>(std::int64_t)> list;  // those of a bin
};

// First and second pixels of the pairs, as boxes of the image; the second box may stick out of a periodic one.
struct Boxes {
  Place first{};
  Place first_shape{};
  Place second{};
  Place second_shape{};
};

struct Codes {
  std::vector<std::uint16_t> data;  // with slack behind the last line
  Place shape{};
  std::int64_t stride = 0;

  [[nodiscard]] const std::uint16_t* line(std::int64_t z, std::int64_t y) const {
    return data.data() + (z * shape[1] + y) * stride;
  }
};

// A request that has been checked, and what is in its pixels.
struct Survey {
  PairRequest request;
  bool cross = false;
  bool volume = false;
  std::int64_t core_begin = 0;  // clipped to the image
  std::int64_t core_end = 0;
  double valid_share = 1.0;  // of pairs whose two pixels are valid, if they were laid out at random
  // Levels in use among valid pixels, rising; `second` is for `other`, or the same.
  std::vector<int> first;
  std::vector<int> second;
  std::vector<int> both;
  bool first_masked = false;
  bool second_masked = false;

  [[nodiscard]] bool masked() const { return first_masked || second_masked; }
  [[nodiscard]] int core_axis() const { return volume ? 0 : 1; }
  [[nodiscard]] int span() const { return both.back() - both.front(); }
  [[nodiscard]] const LevelView& second_image() const { return cross ? request.other : request.image; }
  [[nodiscard]] const LevelView& second_mask() const { return cross ? request.other_mask : request.mask; }
};

Survey survey(const PairRequest& request);

Boxes boxes(const Survey& survey, const Place& reach);

// Codes of a box of an image, table[level] for valid pixels; wraps around where the box sticks out.
Codes encode(const LevelView& image, const LevelView& mask, const Place& begin, const Place& shape,
             std::span<const std::uint16_t> table, std::uint16_t invalid);

// How two codes make the code of a pair.
enum class Coding { triangular, ordered, differences };
CodeLoop code_loop(Coding coding, const PairLoops& loops);

// Both ends of the pairs, in codes, and what becomes of the pair codes: below `limit` they are valid and add to the
// cell cell_of[code] of the result.
struct Problem {
  Coding coding = Coding::triangular;
  Codes first;
  Codes second;
  Place offset{};  // place of the first box in the second one
  bool everywhere = false;
  bool masked = false;
  std::uint16_t first_invalid = 0;
  std::uint16_t second_invalid = 0;
  std::uint32_t limit = 0;
  std::vector<std::uint32_t> cell_of;
};

// A problem for each part of the first image's levels that fits 16-bit codes: one, but for two images that use nearly
// all levels and have a mask.
std::vector<Problem> problems(const Survey& survey, const Place& reach);

// The result: `cells` numbers for each bin, added to by several threads.
class Result {
 public:
  Result(std::span<std::uint64_t> counts, std::int64_t cells, std::int64_t bins)
      : counts_(counts), cells_(cells), locks_(static_cast<std::size_t>(bins)) {}

  // Calls add(cells of the bin) while no other thread adds to them.
  template <class Add>
  void add(std::int64_t bin, const Add& add_to) {
    const std::scoped_lock hold(locks_[static_cast<std::size_t>(bin)]);
    add_to(counts_.data() + bin * cells_);
  }

  [[nodiscard]] std::span<std::uint64_t> counts() const { return counts_; }
  [[nodiscard]] std::int64_t cells() const { return cells_; }
  [[nodiscard]] std::int64_t bins() const { return static_cast<std::int64_t>(locks_.size()); }

 private:
  std::span<std::uint64_t> counts_;
  std::int64_t cells_;
  std::vector<std::mutex> locks_;
};

void count_directly(const Problem& problem, const Bins& bins, Result& result, int threads, Simd level);

void enumerate_pairs(const Problem& problem, std::int64_t r_max, Result& result, int threads, Simd level);

// False if the numbers were not close enough to whole ones; nothing has been added then.
bool count_by_fourier(const Survey& survey, std::int64_t r_max, Result& result, int threads, Simd level);

// Seconds that it would take; infinite if it can't be done.
double fourier_seconds(const Survey& survey, std::int64_t r_max, int threads);

PairPlan plan(const Survey& survey, std::int64_t r_max, int threads);

}  // namespace cemvis::pairs

#pragma once

// The inner loops of the two-point counts, compiled once for each SIMD level.

#include <cstddef>
#include <cstdint>

#include "cemvis/simd.hpp"

namespace cemvis {

// Loops below may read and write up to this many elements beyond the count that they are given.
inline constexpr std::int64_t kPairSlack = 64;

// How two pixels' codes make the code of the pair, for pixels side by side.
using CodeLoop = void (*)(const std::uint16_t* a, const std::uint16_t* b, std::int64_t count, std::uint16_t* out);

// The cells of the pairs of one pixel with `count` others: out[x] = bases[cols[x]] + code of `mine` and codes[x].
// Writes and reads whole blocks, up to kPairSlack elements beyond the count, and the bases of what it reads.
using CellLoop = void (*)(std::uint16_t mine, const std::uint32_t* bases, const std::int32_t* cols,
                          const std::uint16_t* codes, std::int64_t count, std::uint32_t* out);

struct PairLoops {
  CodeLoop triangular;   // the place of the unordered pair: j (j + 1) / 2 + i of its smaller code i and its larger j
  CodeLoop ordered;      // min(a + b, 65535)
  CodeLoop differences;  // |a - b|
  CellLoop triangular_cells;
  CellLoop ordered_cells;
  CellLoop difference_cells;
  // One more in the cell of each triangular code.
  void (*count_triangular)(const std::uint16_t* a, const std::uint16_t* b, std::int64_t count, std::uint16_t* cells);
  // One more in the cell of the triangular code of each two differences, of a and b and of a2 and b2.
  void (*count_differences)(const std::uint16_t* a, const std::uint16_t* b, const std::uint16_t* a2,
                            const std::uint16_t* b2, std::int64_t count, std::uint16_t* cells);
  // Moves the codes below the limit to the front; returns how many they are.
  std::int64_t (*compact)(std::uint16_t* codes, std::int64_t count, std::uint16_t limit);
  // codes[x] = c0 + base (c1 + base (c2 + ...)) of the `group` codes c_p = codes[x + p count]
  void (*join)(std::uint16_t* codes, std::int64_t count, std::int64_t group, std::uint16_t base);
  // One more in cells[code] for every second code, and in cells[stride + code] for the others.
  void (*count_up)(const std::uint16_t* codes, std::int64_t count, std::uint16_t* cells, std::int64_t stride);
  // wide += cells; cells = 0
  void (*widen)(std::uint16_t* cells, std::int64_t count, std::uint32_t* wide);
};

// A grid for circular correlations, both sides even, that holds an image and the lags up to r_max without wrapping.
struct FourierGrid {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t r_max = 0;
};

// Codes of an image and where its first pixel lies in the grid. Codes at `limit` and above are invalid.
struct FourierImage {
  const std::uint16_t* codes = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;
  std::int64_t row = 0;
  std::int64_t col = 0;
};

// Transforms of as many real or complex functions of the levels as a vector has lanes.
class PairTransform {
 public:
  PairTransform() = default;
  PairTransform(const PairTransform&) = delete;
  PairTransform(PairTransform&&) = delete;
  PairTransform& operator=(const PairTransform&) = delete;
  PairTransform& operator=(PairTransform&&) = delete;
  virtual ~PairTransform();  // not inline: one copy, and of no level

  // Sums over whole rings of the correlation of f(first) with f(second), real parts: sums[r * lanes + lane]. Function
  // `lane` takes the values table[code * 2 * lanes + lane] + i table[... + lanes + lane]; the row of a code that is
  // invalid, codes - 1, is zero. `second` may be `first` itself.
  virtual void ring_sums(const FourierImage& first, const FourierImage* second, const double* table,
                         const std::uint16_t* ring_of, double* sums) = 0;

  // Spectra of 2 lanes indicator functions, the table's real and imaginary parts, as ring_products takes them: in two
  // blocks of 4 lanes numbers for each of (cols / 2 + 1) (rows / 2 + 1) frequencies.
  virtual void spectra(const FourierImage& image, const double* table, double* real_block, double* imag_block) = 0;

  // The spectrum of level i of block `a` and, `scale` times, of level i2 of block `a2`, if not null: 4 numbers for each
  // frequency.
  virtual void joined(const double* a, std::int64_t i, const double* a2, std::int64_t i2, double scale,
                      double* out) const = 0;

  // Sums over whole rings of the correlations of a spectrum from `joined` with each level of a block, as whole numbers:
  // of its first level to sums[2 r lanes + lane], of its second one to sums[(2 r + 1) lanes + lane]. Returns the
  // largest distance from a whole number that was met.
  virtual double ring_products(const double* level, double scale, const double* block, const std::uint16_t* ring_of,
                               double* sums) = 0;
};

struct PairTransforms {
  std::int64_t lanes = 1;
  PairTransform* (*make)(const FourierGrid& grid) = nullptr;  // the caller deletes it
};

// Constants, so that no code of a level runs before it is asked for.
namespace baseline {
extern const PairLoops pair_loops;
extern const PairTransforms pair_transforms;
}  // namespace baseline
namespace avx2 {
extern const PairLoops pair_loops;
extern const PairTransforms pair_transforms;
}  // namespace avx2
namespace avx512 {  // pair_loops are slower with 512 bits: codes go through narrow registers on their way to the
                    // counters
extern const PairTransforms pair_transforms;
}  // namespace avx512

const PairLoops& pair_loops(Simd level);
const PairTransforms& pair_transforms(Simd level);

}  // namespace cemvis

#pragma once

// The inner loops of the indent search, compiled once for each SIMD level.

#include <cstddef>
#include <cstdint>

#include "cemvis/simd.hpp"

namespace cemvis {

// Two tiles as the real and the imaginary part of one: the filter is real, so it keeps them apart. Rows lie `stride`
// floats apart.
struct TilePair {
  float* real = nullptr;
  float* imag = nullptr;
  std::int64_t stride = 0;
};

// A part of a tile that begins in its first pixel.
struct TilePart {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
};

// Sides of tiles are multiples of this: of the vector's length at every level.
inline constexpr std::int64_t kTileMultiple = 16;

// The transforms of tiles of one size.
class TileTransform {
 public:
  TileTransform() = default;
  TileTransform(const TileTransform&) = delete;
  TileTransform(TileTransform&&) = delete;
  TileTransform& operator=(const TileTransform&) = delete;
  TileTransform& operator=(TileTransform&&) = delete;
  virtual ~TileTransform();  // not inline: one copy, and of no level

  // From a template in the tiles' first pixels and zeros elsewhere: the filter that correlates with it, 2 rows x cols
  // floats in an order of its own. The tiles are overwritten.
  virtual void make_filter(const TilePair& tiles, float* filter) const = 0;

  // Applies it to the tiles, which are zero beyond the columns of `loaded`; only `wanted` of the result is valid.
  virtual void apply(const float* filter, TilePart loaded, TilePart wanted, const TilePair& tiles) const = 0;
};

// The caller deletes it.
using NewTransform = TileTransform* (*)(std::int64_t rows, std::int64_t cols);

// Pixels side by side in rows.
template <class T>
struct PixelRows {
  const T* first = nullptr;
  std::ptrdiff_t row_stride = 0;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
};

struct TileMoments {
  double mean = 0.0;
  double variance = 0.0;
};

// What turns a filtered tile into correlations.
struct WindowShape {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  float gain = 1.0F;  // correlation = gain * filtered / sqrt(sum of squares about the window's mean)
  double mean = 0.0;  // of the tile's pixels, and
  // For float pixels alone, whose squares a float need not hold:
  double flat = 0.0;  // the sum of squares up to which a window counts as flat
  double unit = 1.0;  // by which sums of squares are multiplied, as the filtered tile's pixels were by its root
};

template <class T>
struct TileLoops {
  TileMoments (*moments)(const PixelRows<T>& pixels);
  // out = (pixels - mean) * scale
  void (*load)(const PixelRows<T>& pixels, float mean, float scale, float* out, std::int64_t out_stride);
  // Correlations of the windows that begin in `wanted`; `sums` holds 4 (pixels.cols + 1) numbers of 8 bytes.
  void (*normalise)(const PixelRows<T>& pixels, const WindowShape& window, const float* filtered,
                    std::int64_t filtered_stride, float* out, std::int64_t out_stride, void* sums);
};

struct TileLoopSet {
  TileLoops<std::uint8_t> tile8;
  TileLoops<std::uint16_t> tile16;
  TileLoops<float> tile32;
  // out = gain * filtered + offset
  void (*rescale)(const float* filtered, std::int64_t count, float gain, float offset, float* out);
};

// Constants, so that no code of a level runs before it is asked for.
namespace baseline {
extern const NewTransform new_transform;
extern const TileLoopSet tile_loops;
}  // namespace baseline
namespace avx2 {
extern const NewTransform new_transform;
extern const TileLoopSet tile_loops;
}  // namespace avx2
namespace avx512 {
extern const NewTransform new_transform;
extern const TileLoopSet tile_loops;
}  // namespace avx512

NewTransform new_transform(Simd level);
const TileLoopSet& tile_loops(Simd level);

}  // namespace cemvis

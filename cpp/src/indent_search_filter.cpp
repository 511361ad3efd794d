// Compiled once for each SIMD level, with CEMVIS_SIMD_LEVEL as the namespace; the rules of tiling_rows.cpp hold here
// too. pocketfft's templates are inline, so its namespace is given the level's name.

#define CEMVIS_JOINED(a, b) a##b
#define CEMVIS_JOIN(a, b) CEMVIS_JOINED(a, b)
#define pocketfft CEMVIS_JOIN(pocketfft_, CEMVIS_SIMD_LEVEL)
#define POCKETFFT_NO_MULTITHREADING
#include <pocketfft_hdronly.h>

#include "indent_search_loops.hpp"

namespace cemvis::CEMVIS_SIMD_LEVEL {
namespace {

namespace fft = pocketfft::detail;

#ifdef POCKETFFT_NO_VECTORS
using Lanes = float;
#else
using Lanes = fft::vtype_t<float>;
#endif
constexpr std::int64_t kLanes = sizeof(Lanes) / sizeof(float);
static_assert(kTileMultiple % kLanes == 0);

// As many transforms as a vector has lanes run side by side: `line` holds one complex number of each at each place.
using Complex = fft::cmplx<Lanes>;
using Line = fft::arr<Complex>;

struct Transform : TileTransform {
  Transform(std::int64_t row_count, std::int64_t col_count)
      : rows(row_count),
        cols(col_count),
        down(static_cast<std::size_t>(row_count)),
        across(static_cast<std::size_t>(col_count)) {}

  std::int64_t rows;
  std::int64_t cols;
  fft::cfftp<float> down;
  fft::cfftp<float> across;
};

const Lanes& lanes_at(const float* values) { return *reinterpret_cast<const Lanes*>(values); }
Lanes& lanes_at(float* values) { return *reinterpret_cast<Lanes*>(values); }
float* lane_values(Lanes& lanes) { return reinterpret_cast<float*>(&lanes); }
const float* lane_values(const Lanes& lanes) { return reinterpret_cast<const float*>(&lanes); }

// The transforms of kLanes columns, in place. Only the first `wanted` rows are written back.
template <bool Forward>
void transform_columns(const Transform& transform, const TilePair& tiles, std::int64_t col, std::int64_t wanted,
                       Line& line) {
  const std::int64_t stride = tiles.stride;
  float* real = tiles.real + col;
  float* imag = tiles.imag + col;
  Complex* places = line.data();
  for (std::int64_t r = 0; r < transform.rows; ++r) {
    places[r].Set(lanes_at(real + r * stride), lanes_at(imag + r * stride));
  }
  transform.down.exec(places, 1.0F, Forward);
  for (std::int64_t r = 0; r < wanted; ++r) {
    lanes_at(real + r * stride) = places[r].r;
    lanes_at(imag + r * stride) = places[r].i;
  }
}

void load_rows(const TilePair& tiles, std::int64_t row, std::int64_t cols, Complex* places) {
  for (std::int64_t lane = 0; lane < kLanes; ++lane) {
    const float* real = tiles.real + (row + lane) * tiles.stride;
    const float* imag = tiles.imag + (row + lane) * tiles.stride;
    for (std::int64_t c = 0; c < cols; ++c) {
      lane_values(places[c].r)[lane] = real[c];
      lane_values(places[c].i)[lane] = imag[c];
    }
  }
}

void store_rows(const Complex* places, std::int64_t row, std::int64_t cols, const TilePair& tiles) {
  for (std::int64_t lane = 0; lane < kLanes; ++lane) {
    float* real = tiles.real + (row + lane) * tiles.stride;
    float* imag = tiles.imag + (row + lane) * tiles.stride;
    for (std::int64_t c = 0; c < cols; ++c) {
      real[c] = lane_values(places[c].r)[lane];
      imag[c] = lane_values(places[c].i)[lane];
    }
  }
}

std::int64_t up_to_lanes(std::int64_t count) { return (count + kLanes - 1) / kLanes * kLanes; }

TileTransform* new_transform(std::int64_t rows, std::int64_t cols) { return new Transform(rows, cols); }

void delete_transform(TileTransform* transform) { delete static_cast<Transform*>(transform); }

void make_filter(const TileTransform& of_tiles, const TilePair& tiles, float* filter) {
  const auto& transform = static_cast<const Transform&>(of_tiles);
  Line line(static_cast<std::size_t>(transform.rows < transform.cols ? transform.cols : transform.rows));
  for (std::int64_t c = 0; c < transform.cols; c += kLanes) {
    transform_columns<true>(transform, tiles, c, transform.rows, line);
  }
  const float norm = 1.0F / static_cast<float>(transform.rows * transform.cols);
  for (std::int64_t r = 0; r < transform.rows; r += kLanes) {
    load_rows(tiles, r, transform.cols, line.data());
    transform.across.exec(line.data(), norm, true);
    for (std::int64_t c = 0; c < transform.cols; ++c, filter += 2 * kLanes) {
      lanes_at(filter) = line[static_cast<std::size_t>(c)].r;
      lanes_at(filter + kLanes) = -line[static_cast<std::size_t>(c)].i;
    }
  }
}

void apply(const TileTransform& of_tiles, const float* filter, TilePart loaded, TilePart wanted,
           const TilePair& tiles) {
  const auto& transform = static_cast<const Transform&>(of_tiles);
  Line line(static_cast<std::size_t>(transform.rows < transform.cols ? transform.cols : transform.rows));
  for (std::int64_t c = 0; c < loaded.cols; c += kLanes) {
    transform_columns<true>(transform, tiles, c, transform.rows, line);
  }
  for (std::int64_t r = 0; r < transform.rows; r += kLanes) {
    load_rows(tiles, r, transform.cols, line.data());
    transform.across.exec(line.data(), 1.0F, true);
    for (std::int64_t c = 0; c < transform.cols; ++c, filter += 2 * kLanes) {
      line[static_cast<std::size_t>(c)] *= Complex(lanes_at(filter), lanes_at(filter + kLanes));
    }
    transform.across.exec(line.data(), 1.0F, false);
    store_rows(line.data(), r, up_to_lanes(wanted.cols), tiles);
  }
  for (std::int64_t c = 0; c < wanted.cols; c += kLanes) {
    transform_columns<false>(transform, tiles, c, wanted.rows, line);
  }
}

}  // namespace

constinit const FilterLoops filter_loops = {new_transform, delete_transform, make_filter, apply};

}  // namespace cemvis::CEMVIS_SIMD_LEVEL

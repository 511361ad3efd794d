// Compiled once for each SIMD level, with CEMVIS_SIMD_LEVEL as the namespace; the rules of tiling_rows.cpp hold here
// too.

#include <cstring>
#include <utility>

#include "indent_search_loops.hpp"
#include "pocketfft_level.hpp"

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

Lanes loaded(const float* values) {
  Lanes lanes;
  std::memcpy(&lanes, values, sizeof lanes);
  return lanes;
}

void store(const Lanes& lanes, float* values) { std::memcpy(values, &lanes, sizeof lanes); }

#if !defined(POCKETFFT_NO_VECTORS) && defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define CEMVIS_SHUFFLES
#endif
#endif

#ifdef CEMVIS_SHUFFLES

// The lanes of two vectors one by one in turn, of their first halves (From = 0) or of their second ones.
template <int From, int... Lane>
Lanes interleaved(const Lanes& a, const Lanes& b, std::integer_sequence<int, Lane...> /*lanes*/) {
  return __builtin_shufflevector(a, b, (From + Lane / 2 + (Lane % 2 == 0 ? 0 : static_cast<int>(kLanes)))...);
}

// A square of numbers, transposed: log2(kLanes) perfect shuffles of its rows are one of the whole.
inline void transpose(Lanes* square) {
  using Order = std::make_integer_sequence<int, static_cast<int>(kLanes)>;
  constexpr std::int64_t half = kLanes / 2;
#pragma GCC unroll 4
  for (std::int64_t round = 1; round < kLanes; round *= 2) {
    Lanes next[kLanes];  // NOLINT(modernize-avoid-c-arrays,cppcoreguidelines-avoid-c-arrays)
#pragma GCC unroll 8
    for (std::int64_t i = 0; i < half; ++i) {
      next[2 * i] = interleaved<0>(square[i], square[i + half], Order{});
      next[2 * i + 1] = interleaved<static_cast<int>(half)>(square[i], square[i + half], Order{});
    }
#pragma GCC unroll 16
    for (std::int64_t i = 0; i < kLanes; ++i) {
      square[i] = next[i];
    }
  }
}

#elif !defined(POCKETFFT_NO_VECTORS)

inline void transpose(Lanes* square) {
  for (std::int64_t i = 0; i < kLanes; ++i) {
    for (std::int64_t j = 0; j < i; ++j) {
      const float kept = square[i][j];
      square[i][j] = square[j][i];
      square[j][i] = kept;
    }
  }
}

#else

inline void transpose(Lanes* /*square*/) {}  // of one number

#endif

// kLanes rows as complex numbers side by side, and back. `cols` is a multiple of kLanes.
void load_rows(const TilePair& tiles, std::int64_t row, std::int64_t cols, Complex* places) {
  const float* real = tiles.real + row * tiles.stride;
  const float* imag = tiles.imag + row * tiles.stride;
  Lanes square[kLanes];  // NOLINT(modernize-avoid-c-arrays,cppcoreguidelines-avoid-c-arrays)
  for (std::int64_t c = 0; c < cols; c += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      square[lane] = loaded(real + lane * tiles.stride + c);
    }
    transpose(square);
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      places[c + lane].r = square[lane];
    }
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      square[lane] = loaded(imag + lane * tiles.stride + c);
    }
    transpose(square);
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      places[c + lane].i = square[lane];
    }
  }
}

void store_rows(const Complex* places, std::int64_t row, std::int64_t cols, const TilePair& tiles) {
  float* real = tiles.real + row * tiles.stride;
  float* imag = tiles.imag + row * tiles.stride;
  Lanes square[kLanes];  // NOLINT(modernize-avoid-c-arrays,cppcoreguidelines-avoid-c-arrays)
  for (std::int64_t c = 0; c < cols; c += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      square[lane] = places[c + lane].r;
    }
    transpose(square);
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      store(square[lane], real + lane * tiles.stride + c);
    }
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      square[lane] = places[c + lane].i;
    }
    transpose(square);
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      store(square[lane], imag + lane * tiles.stride + c);
    }
  }
}

class Transform final : public TileTransform {
 public:
  Transform(std::int64_t rows, std::int64_t cols)
      : rows_(rows), cols_(cols), down_(static_cast<std::size_t>(rows)), across_(static_cast<std::size_t>(cols)) {}

  void make_filter(const TilePair& tiles, float* filter) const override {
    Line line(longer_side());
    for (std::int64_t c = 0; c < cols_; c += kLanes) {
      transform_columns<true>(tiles, c, rows_, line.data());
    }
    const float norm = 1.0F / static_cast<float>(rows_ * cols_);
    for (std::int64_t r = 0; r < rows_; r += kLanes) {
      load_rows(tiles, r, cols_, line.data());
      across_.exec(line.data(), norm, true);
      for (std::int64_t c = 0; c < cols_; ++c, filter += 2 * kLanes) {
        store(line.data()[c].r, filter);
        store(-line.data()[c].i, filter + kLanes);
      }
    }
  }

  void apply(const float* filter, TilePart loaded_part, TilePart wanted, const TilePair& tiles) const override {
    Line line(longer_side());
    for (std::int64_t c = 0; c < loaded_part.cols; c += kLanes) {
      transform_columns<true>(tiles, c, rows_, line.data());
    }
    const std::int64_t wanted_cols = (wanted.cols + kLanes - 1) / kLanes * kLanes;
    for (std::int64_t r = 0; r < rows_; r += kLanes) {
      load_rows(tiles, r, cols_, line.data());
      across_.exec(line.data(), 1.0F, true);
      for (std::int64_t c = 0; c < cols_; ++c, filter += 2 * kLanes) {
        line.data()[c] *= Complex(loaded(filter), loaded(filter + kLanes));
      }
      across_.exec(line.data(), 1.0F, false);
      store_rows(line.data(), r, wanted_cols, tiles);
    }
    for (std::int64_t c = 0; c < wanted_cols; c += kLanes) {
      transform_columns<false>(tiles, c, wanted.rows, line.data());
    }
  }

 private:
  [[nodiscard]] std::size_t longer_side() const { return static_cast<std::size_t>(rows_ < cols_ ? cols_ : rows_); }

  // The transforms of kLanes columns, in place. Only the first `wanted` rows are written back.
  template <bool Forward>
  void transform_columns(const TilePair& tiles, std::int64_t col, std::int64_t wanted, Complex* places) const {
    float* real = tiles.real + col;
    float* imag = tiles.imag + col;
    for (std::int64_t r = 0; r < rows_; ++r) {
      places[r].Set(loaded(real + r * tiles.stride), loaded(imag + r * tiles.stride));
    }
    down_.exec(places, 1.0F, Forward);
    for (std::int64_t r = 0; r < wanted; ++r) {
      store(places[r].r, real + r * tiles.stride);
      store(places[r].i, imag + r * tiles.stride);
    }
  }

  std::int64_t rows_;
  std::int64_t cols_;
  fft::cfftp<float> down_;
  fft::cfftp<float> across_;
};

// NOLINTNEXTLINE(cppcoreguidelines-owning-memory): smart pointers are templates, too
TileTransform* made_transform(std::int64_t rows, std::int64_t cols) { return new Transform(rows, cols); }

}  // namespace

constinit const NewTransform new_transform = made_transform;

}  // namespace cemvis::CEMVIS_SIMD_LEVEL

#include "cemvis/difference_matrix.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include "cemvis/parallel.hpp"
#include "difference_matrix_loops.hpp"

namespace cemvis {

const DifferenceLoops& difference_loops(Simd level) {
#ifdef CEMVIS_X86_SIMD
  switch (level) {
    case Simd::avx512:
      return avx512::difference_loops;
    case Simd::avx2:
      return avx2::difference_loops;
    case Simd::baseline:
      break;
  }
#endif
  (void)level;
  return baseline::difference_loops;
}

namespace {

constexpr std::int64_t kLineBytes = 64;
// Maps along either side of what one thread takes at a time: two such sides of 8 KiB a map stay in its cache.
constexpr std::int64_t kMostTaskMaps = 32;
// Differences that are worth a thread of their own.
constexpr std::int64_t kThreadWork = 1000000;

std::int64_t divided_up(std::int64_t count, std::int64_t by) { return (count + by - 1) / by; }

template <class T>
DifferenceTile<T> tile_loop(const DifferenceLoops& loops) {
  if constexpr (std::is_same_v<T, std::uint8_t>) {
    return loops.of8;
  } else if constexpr (std::is_same_v<T, std::uint16_t>) {
    return loops.of16;
  } else if constexpr (std::is_same_v<T, float>) {
    return loops.of_float;
  } else {
    return loops.of_double;
  }
}

template <class T>
bool in_range(T value) {
  if constexpr (std::is_same_v<T, float>) {
    return std::fabs(value) <= kMostDifferenceFloat;
  } else if constexpr (std::is_same_v<T, double>) {
    return std::fabs(value) <= kMostDifferenceDouble;
  } else {
    return true;
  }
}

// The same pixels of all maps, copied so that each map's begin a cache line and no two maps' the same set of lines.
template <class T>
class Block {
 public:
  static constexpr std::int64_t kStride = kDifferenceBlockPx<T> + kLineBytes / static_cast<std::int64_t>(sizeof(T));

  explicit Block(std::int64_t maps) : lines_(divided_up(maps, kTileMaps) * kTileMaps * kStride / kLinePx) {}

  void copy(const ImageView<T>& maps, std::int64_t from, std::int64_t count, int threads) {
    const std::int64_t padded = divided_up(count, kDifferenceChunkPx) * kDifferenceChunkPx;
    parallel_for(maps.rows, threads, [&](std::int64_t m) {
      T* to = lines_.data()->pixels + m * kStride;
      const T* source = maps.row(m) + from * maps.col_stride;
      bool good = true;
      for (std::int64_t p = 0; p < count; ++p) {
        to[p] = source[p * maps.col_stride];
        good &= in_range(to[p]);
      }
      if (!good) {
        throw std::invalid_argument("maps must hold finite numbers, of at most 1e36 (float32) or 1e290 (float64)");
      }
      std::fill(to + count, to + padded, T{});
    });
    padded_ = padded;
  }

  [[nodiscard]] const T* map(std::int64_t m) const { return lines_.data()->pixels + m * kStride; }
  [[nodiscard]] std::int64_t padded() const { return padded_; }

 private:
  static constexpr std::int64_t kLinePx = kLineBytes / static_cast<std::int64_t>(sizeof(T));
  struct alignas(kLineBytes) Line {
    T pixels[kLinePx];  // NOLINT(modernize-avoid-c-arrays,cppcoreguidelines-avoid-c-arrays)
  };
  std::vector<Line> lines_;
  std::int64_t padded_ = 0;
};

// Which maps against which: `others` is null where both are the same, and pairs m > n are left out.
template <class T>
struct Sides {
  const Block<T>* maps;
  const Block<T>* others;
  std::int64_t rows;
  std::int64_t cols;
  [[nodiscard]] bool symmetric() const { return others == nullptr; }
};

template <class T, class Sum>
void add_task(const Sides<T>& sides, DifferenceTile<T> tile, std::int64_t top, std::int64_t left, std::int64_t side,
              std::span<Sum> out) {
  const Block<T>& against = sides.symmetric() ? *sides.maps : *sides.others;
  Sum sums[kTileMaps * kTileMaps];  // NOLINT(modernize-avoid-c-arrays,cppcoreguidelines-avoid-c-arrays)
  for (std::int64_t m = top; m < std::min(top + side, sides.rows); m += kTileMaps) {
    for (std::int64_t n = left; n < std::min(left + side, sides.cols); n += kTileMaps) {
      if (sides.symmetric() && n < m) {
        continue;
      }
      tile(sides.maps->map(m), against.map(n), Block<T>::kStride, sides.maps->padded(), sums);
      for (std::int64_t i = 0; i < std::min(kTileMaps, sides.rows - m); ++i) {
        for (std::int64_t j = 0; j < std::min(kTileMaps, sides.cols - n); ++j) {
          out[static_cast<std::size_t>((m + i) * sides.cols + n + j)] += sums[i * kTileMaps + j];
        }
      }
    }
  }
}

template <class T, class Sum>
void add_block(const Sides<T>& sides, std::span<Sum> out, int threads) {
  const auto tile = tile_loop<T>(difference_loops(simd_level()));
  std::int64_t side = kMostTaskMaps;
  while (side > kTileMaps && divided_up(sides.rows, side) * divided_up(sides.cols, side) < std::int64_t{8} * threads) {
    side /= 2;
  }
  const std::int64_t tasks_across = divided_up(sides.cols, side);
  parallel_for(divided_up(sides.rows, side) * tasks_across, threads, [&](std::int64_t task) {
    const std::int64_t top = task / tasks_across * side;
    const std::int64_t left = task % tasks_across * side;
    if (!sides.symmetric() || left >= top) {
      add_task(sides, tile, top, left, side, out);
    }
  });
}

template <class T, class Sum>
void add_all(const ImageView<T>& maps, const ImageView<T>* others, std::span<Sum> out, int threads) {
  const std::int64_t cols = others == nullptr ? maps.rows : others->rows;
  if (maps.rows < 1 || cols < 1 || maps.cols < 1) {
    throw std::invalid_argument("a difference needs at least one map on either side, and one pixel");
  }
  if (others != nullptr && others->cols != maps.cols) {
    throw std::invalid_argument("maps that are compared must have equally many pixels");
  }
  if (std::cmp_not_equal(out.size(), maps.rows * cols)) {
    throw std::invalid_argument("out must have a number for each pair of maps");
  }
  if (threads < 1) {
    throw std::invalid_argument("threads must be at least 1");
  }
  Block<T> block(maps.rows);
  Block<T> against(others == nullptr ? 0 : cols);
  const Sides<T> sides{&block, others == nullptr ? nullptr : &against, maps.rows, cols};
  for (std::int64_t from = 0; from < maps.cols; from += kDifferenceBlockPx<T>) {
    const std::int64_t count = std::min(kDifferenceBlockPx<T>, maps.cols - from);
    const auto worth = std::max<std::int64_t>(1, maps.rows * cols * count / kThreadWork);
    const int team = static_cast<int>(std::min<std::int64_t>(threads, worth));
    block.copy(maps, from, count, team);
    if (others != nullptr) {
      against.copy(*others, from, count, team);
    }
    add_block(sides, out, team);
  }
  if (others == nullptr) {
    for (std::int64_t m = 0; m < cols; ++m) {
      for (std::int64_t n = 0; n < m; ++n) {
        out[static_cast<std::size_t>(m * cols + n)] = out[static_cast<std::size_t>(n * cols + m)];
      }
    }
  }
}

}  // namespace

void add_differences(const ImageView<std::uint8_t>& maps, std::span<std::uint64_t> out, int threads) {
  add_all<std::uint8_t, std::uint64_t>(maps, nullptr, out, threads);
}

void add_differences(const ImageView<std::uint16_t>& maps, std::span<std::uint64_t> out, int threads) {
  add_all<std::uint16_t, std::uint64_t>(maps, nullptr, out, threads);
}

void add_differences(const ImageView<float>& maps, std::span<double> out, int threads) {
  add_all<float, double>(maps, nullptr, out, threads);
}

void add_differences(const ImageView<double>& maps, std::span<double> out, int threads) {
  add_all<double, double>(maps, nullptr, out, threads);
}

void add_differences(const ImageView<std::uint8_t>& maps, const ImageView<std::uint8_t>& others,
                     std::span<std::uint64_t> out, int threads) {
  add_all<std::uint8_t, std::uint64_t>(maps, &others, out, threads);
}

void add_differences(const ImageView<std::uint16_t>& maps, const ImageView<std::uint16_t>& others,
                     std::span<std::uint64_t> out, int threads) {
  add_all<std::uint16_t, std::uint64_t>(maps, &others, out, threads);
}

void add_differences(const ImageView<float>& maps, const ImageView<float>& others, std::span<double> out, int threads) {
  add_all<float, double>(maps, &others, out, threads);
}

void add_differences(const ImageView<double>& maps, const ImageView<double>& others, std::span<double> out,
                     int threads) {
  add_all<double, double>(maps, &others, out, threads);
}

}  // namespace cemvis

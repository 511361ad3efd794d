#include "cemvis/indent_search.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include "cemvis/parallel.hpp"
#include "indent_search_loops.hpp"
#include "tiling_rows.hpp"

namespace cemvis {
namespace {

constexpr std::align_val_t kAlignment{64};
constexpr float kMostBits = 126.0F;  // powers of two that a float holds with all of its digits, and their inverses

struct AlignedDelete {
  void operator()(void* memory) const { ::operator delete(memory, kAlignment); }
};

template <class T>
using Aligned =
    std::unique_ptr<T[], AlignedDelete>;  // NOLINT(modernize-avoid-c-arrays,cppcoreguidelines-avoid-c-arrays)

template <class T>
Aligned<T> aligned(std::int64_t count) {
  return Aligned<T>(static_cast<T*>(::operator new(static_cast<std::size_t>(count) * sizeof(T), kAlignment)));
}

struct TileSize {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
};

// Sides that transform fast: a multiple of the vectors' length and of small primes alone.
const std::vector<std::int64_t>& fast_sides() {
  static const auto sides = [] {
    std::vector<std::int64_t> found;
    for (std::int64_t side = kTileMultiple; side <= 3 * kLargestTemplate; side += kTileMultiple) {
      std::int64_t rest = side;
      for (const std::int64_t prime : {2, 3, 5, 7}) {
        while (rest % prime == 0) {
          rest /= prime;
        }
      }
      if (rest == 1) {
        found.push_back(side);
      }
    }
    return found;
  }();
  return sides;
}

std::int64_t fast_side(std::int64_t least) {
  const auto& sides = fast_sides();
  return *std::ranges::lower_bound(sides, least);
}

std::int64_t divided_up(std::int64_t count, std::int64_t by) { return (count + by - 1) / by; }

// What filtering an image of `windows` by tiles of this size takes, in arbitrary units. Fitted to measurements: past
// the second cache it costs more, and so do transforms whose strides are large powers of two.
double cost(TileSize tile, TileSize windows, TileSize pattern) {
  const auto pixels = static_cast<double>(tile.rows * tile.cols);
  const auto tiles = static_cast<double>(divided_up(windows.rows, tile.rows - pattern.rows + 1) *
                                         divided_up(windows.cols, tile.cols - pattern.cols + 1));
  constexpr double in_cache = 512.0 * 512.0;
  constexpr std::int64_t slow_multiple = 256;
  double price = std::log2(pixels) + 8.0 + 3.0 * std::max(0.0, std::log2(pixels / in_cache));
  price += tile.rows % slow_multiple == 0 ? 3.0 : 0.0;
  price += tile.cols % slow_multiple == 0 ? 3.0 : 0.0;
  return tiles * pixels * price;
}

TileSize cheapest_tile(TileSize windows, TileSize pattern) {
  const auto most = [](std::int64_t window_count, std::int64_t side) {
    return fast_side(std::min(window_count + side - 1, std::max<std::int64_t>(1024, 2 * side)));
  };
  const TileSize largest = {most(windows.rows, pattern.rows), most(windows.cols, pattern.cols)};
  TileSize best;
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t rows = fast_side(pattern.rows); rows <= largest.rows; rows = fast_side(rows + 1)) {
    for (std::int64_t cols = fast_side(pattern.cols); cols <= largest.cols; cols = fast_side(cols + 1)) {
      const double price = cost({rows, cols}, windows, pattern);
      if (price < least) {
        least = price;
        best = {rows, cols};
      }
    }
  }
  return best;
}

// The template filter for tiles of one size, shared by all threads.
class Filter {
 public:
  Filter(const ImageView<float>& pattern, double mean, TileSize size, Simd level)
      : size_(size),
        stride_(size.cols + kTileMultiple),
        transform_(new_transform(level)(size.rows, size.cols)),
        values_(aligned<float>(2 * size.rows * size.cols)) {
    const auto planes = new_planes();
    const TilePair tiles = pair_in(planes);
    std::fill_n(planes.get(), 2 * size.rows * stride_, 0.0F);
    for (std::int64_t r = 0; r < pattern.rows; ++r) {
      for (std::int64_t c = 0; c < pattern.cols; ++c) {
        tiles.real[r * stride_ + c] = static_cast<float>(pattern.at(r, c) - mean);
      }
    }
    transform_->make_filter(tiles, values_.get());
  }

  [[nodiscard]] TileSize size() const { return size_; }
  [[nodiscard]] Aligned<float> new_planes() const { return aligned<float>(2 * size_.rows * stride_); }
  [[nodiscard]] TilePair pair_in(const Aligned<float>& planes) const {
    return {planes.get(), planes.get() + size_.rows * stride_, stride_};
  }
  void apply(TilePart loaded, TilePart wanted, const TilePair& tiles) const {
    transform_->apply(values_.get(), loaded, wanted, tiles);
  }

 private:
  TileSize size_;
  std::int64_t stride_;
  std::unique_ptr<const TileTransform> transform_;
  Aligned<float> values_;
};

template <class T>
const TileLoops<T>& loops_for(const TileLoopSet& all) {
  if constexpr (std::is_same_v<T, std::uint8_t>) {
    return all.tile8;
  } else if constexpr (std::is_same_v<T, std::uint16_t>) {
    return all.tile16;
  } else {
    return all.tile32;
  }
}

// A rectangle of pixels, or of the windows that begin in them.
struct Tile {
  std::int64_t top = 0;
  std::int64_t left = 0;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
};

// A rectangle of pixels with rows side by side in memory: in `copy` if the image's are not.
template <class T>
PixelRows<T> pixel_rows(const ImageView<T>& image, const Tile& part, std::vector<T>& copy) {
  if (image.contiguous_rows()) {
    return {image.row(part.top) + part.left, image.row_stride, part.rows, part.cols};
  }
  for (std::int64_t r = 0; r < part.rows; ++r) {
    for (std::int64_t c = 0; c < part.cols; ++c) {
      copy[static_cast<std::size_t>(r * part.cols + c)] = image.at(part.top + r, part.left + c);
    }
  }
  return {copy.data(), part.cols, part.rows, part.cols};
}

// One tile's pixels, and how they were scaled so that neither tile of a pair drowns the other in rounding errors.
template <class T>
struct Loaded {
  PixelRows<T> pixels;
  double mean = 0.0;
  double variance = 0.0;
  float scale = 1.0F;
};

// What one thread needs to filter pairs of tiles.
template <class T>
class Worker {
 public:
  Worker(const ImageView<T>& image, const Filter& filter, const TileLoops<T>& loops)
      : image_(&image),
        filter_(&filter),
        loops_(&loops),
        planes_(filter.new_planes()),
        copies_{copy_of(image, filter.size()), copy_of(image, filter.size())} {}

  [[nodiscard]] TilePair planes() const { return filter_->pair_in(planes_); }

  // Filters up to two tiles, whose pixels lie in the image; `windows` is the template's size.
  std::array<Loaded<T>, 2> filtered(std::span<const Tile> tiles, TileSize windows) {
    const TilePair planes = this->planes();
    std::array<Loaded<T>, 2> loaded;
    TilePart most;
    TilePart wanted;
    for (std::size_t i = 0; i < 2; ++i) {
      float* plane = i == 0 ? planes.real : planes.imag;
      if (i < tiles.size()) {
        loaded[i] = load(tiles[i], windows, copies_[i], plane);
        wanted = {std::max(wanted.rows, tiles[i].rows), std::max(wanted.cols, tiles[i].cols)};
      }
      const PixelRows<T>& pixels = loaded[i].pixels;
      most = {std::max(most.rows, pixels.rows), std::max(most.cols, pixels.cols)};
      for (std::int64_t r = 0; r < pixels.rows; ++r) {
        std::fill(plane + r * planes.stride + pixels.cols, plane + r * planes.stride + filter_->size().cols, 0.0F);
      }
      std::fill(plane + pixels.rows * planes.stride, plane + filter_->size().rows * planes.stride, 0.0F);
    }
    filter_->apply(most, wanted, planes);
    return loaded;
  }

 private:
  static std::vector<T> copy_of(const ImageView<T>& image, TileSize size) {
    return std::vector<T>(image.contiguous_rows() ? 0 : static_cast<std::size_t>(size.rows * size.cols));
  }

  Loaded<T> load(const Tile& tile, TileSize windows, std::vector<T>& copy, float* plane) {
    const std::int64_t rows = tile.rows + windows.rows - 1;
    const std::int64_t cols = tile.cols + windows.cols - 1;
    Loaded<T> loaded;
    loaded.pixels = pixel_rows(*image_, {tile.top, tile.left, rows, cols}, copy);
    const TileMoments moments = loops_->moments(loaded.pixels);
    if (!std::isfinite(moments.mean) || !std::isfinite(moments.variance)) {
      throw std::invalid_argument("image has pixels that are not finite numbers");
    }
    loaded.mean = static_cast<double>(static_cast<float>(moments.mean));
    loaded.variance = moments.variance;
    const auto sd = static_cast<float>(std::sqrt(std::max(moments.variance, 0.0)));
    // A power of two: the pixels are scaled without rounding.
    loaded.scale = sd > 0.0F && std::isfinite(sd)
                       ? std::exp2(-std::clamp(std::round(std::log2(sd)), -kMostBits, kMostBits))
                       : 1.0F;
    loops_->load(loaded.pixels, static_cast<float>(loaded.mean), loaded.scale, plane, planes().stride);
    return loaded;
  }

  const ImageView<T>* image_;
  const Filter* filter_;
  const TileLoops<T>* loops_;
  Aligned<float> planes_;
  std::array<std::vector<T>, 2> copies_;
};

// Filters the tiles two by two, always the same two, and calls emit(tile's index, loaded, plane, stride) for each.
template <class T, class Emit>
void filter_tiles(const ImageView<T>& image, const Filter& filter, std::span<const Tile> tiles, TileSize windows,
                  int threads, Simd level, const Emit& emit) {
  const auto& loops = loops_for<T>(tile_loops(level));
  const auto pairs = divided_up(static_cast<std::int64_t>(tiles.size()), 2);
  std::atomic<std::int64_t> next{0};
  parallel_for(std::min<std::int64_t>(std::max(threads, 0), std::max<std::int64_t>(pairs, 1)), threads,
               [&](std::int64_t) {
                 Worker<T> worker(image, filter, loops);
                 const TilePair planes = worker.planes();
                 for (std::int64_t i = next.fetch_add(1); i < pairs; i = next.fetch_add(1)) {
                   const auto first = static_cast<std::size_t>(2 * i);
                   const auto pair = tiles.subspan(first, std::min<std::size_t>(2, tiles.size() - first));
                   const auto loaded = worker.filtered(pair, windows);
                   for (std::size_t k = 0; k < pair.size(); ++k) {
                     emit(first + k, loaded[k], k == 0 ? planes.real : planes.imag, planes.stride);
                   }
                 }
               });
}

std::vector<Tile> tiles_of(TileSize windows, TileSize tile, TileSize pattern) {
  const TileSize step = {tile.rows - pattern.rows + 1, tile.cols - pattern.cols + 1};
  std::vector<Tile> tiles;
  for (std::int64_t r = 0; r < windows.rows; r += step.rows) {
    for (std::int64_t c = 0; c < windows.cols; c += step.cols) {
      tiles.push_back({r, c, std::min(step.rows, windows.rows - r), std::min(step.cols, windows.cols - c)});
    }
  }
  return tiles;
}

struct PatternMoments {
  double mean = 0.0;
  double squares = 0.0;  // about the mean
};

PatternMoments moments_of(const ImageView<float>& pattern) {
  if (pattern.rows < 1 || pattern.cols < 1 || std::max(pattern.rows, pattern.cols) > kLargestTemplate) {
    throw std::invalid_argument("template must have 1 to 4096 pixels along each axis");
  }
  double total = 0.0;
  for (std::int64_t r = 0; r < pattern.rows; ++r) {
    for (std::int64_t c = 0; c < pattern.cols; ++c) {
      total += static_cast<double>(pattern.at(r, c));
    }
  }
  PatternMoments found;
  found.mean = total / static_cast<double>(pattern.rows * pattern.cols);
  if (!std::isfinite(found.mean)) {
    throw std::invalid_argument("template has pixels that are not finite numbers");
  }
  for (std::int64_t r = 0; r < pattern.rows; ++r) {
    for (std::int64_t c = 0; c < pattern.cols; ++c) {
      const double off = static_cast<double>(pattern.at(r, c)) - found.mean;
      found.squares += off * off;
    }
  }
  return found;
}

template <class T>
TileSize window_counts(const ImageView<T>& image, const ImageView<float>& pattern) {
  if (pattern.rows > image.rows || pattern.cols > image.cols) {
    throw std::invalid_argument("template is larger than the image");
  }
  return {image.rows - pattern.rows + 1, image.cols - pattern.cols + 1};
}

void check_size(std::size_t found, std::int64_t wanted) {
  if (std::cmp_not_equal(found, wanted)) {
    throw std::invalid_argument("output has the wrong size");
  }
}

}  // namespace

template <class T>
void normalised_correlation(const ImageView<T>& image, const ImageView<float>& pattern, std::span<float> out,
                            int threads, Simd level) {
  const PatternMoments moments = moments_of(pattern);
  if (moments.squares <= 0.0) {
    throw std::invalid_argument("template is flat");
  }
  const TileSize windows = window_counts(image, pattern);
  const TileSize size = {pattern.rows, pattern.cols};
  check_size(out.size(), windows.rows * windows.cols);
  const Filter filter(pattern, moments.mean, cheapest_tile(windows, size), level);
  const auto tiles = tiles_of(windows, filter.size(), size);
  const auto& loops = loops_for<T>(tile_loops(level));
  filter_tiles(image, filter, tiles, size, threads, level,
               [&](std::size_t i, const Loaded<T>& loaded, const float* plane, std::int64_t stride) {
                 const auto memory = aligned<double>(4 * (loaded.pixels.cols + 1));
                 const auto scale = static_cast<double>(loaded.scale);
                 const double left = std::is_same_v<T, float> ? 1.0 : scale;  // of the scale, for the gain to undo
                 const auto gain = static_cast<float>(1.0 / (left * std::sqrt(moments.squares)));
                 const double flat = 1e-10 * loaded.variance * static_cast<double>(size.rows * size.cols);
                 loops.normalise(loaded.pixels, {size.rows, size.cols, gain, loaded.mean, flat, scale * scale}, plane,
                                 stride, out.data() + tiles[i].top * windows.cols + tiles[i].left, windows.cols,
                                 memory.get());
               });
}

template <class T>
void linear_response(const ImageView<T>& image, const ImageView<float>& pattern, std::span<float> out, int threads,
                     Simd level) {
  const PatternMoments moments = moments_of(pattern);
  const TileSize windows = window_counts(image, pattern);
  const TileSize size = {pattern.rows, pattern.cols};
  check_size(out.size(), windows.rows * windows.cols);
  const Filter filter(pattern, 0.0, cheapest_tile(windows, size), level);
  const auto tiles = tiles_of(windows, filter.size(), size);
  const auto& loops = tile_loops(level);
  const double total = moments.mean * static_cast<double>(size.rows * size.cols);
  filter_tiles(image, filter, tiles, size, threads, level,
               [&](std::size_t i, const Loaded<T>& loaded, const float* plane, std::int64_t stride) {
                 const Tile& tile = tiles[i];
                 for (std::int64_t r = 0; r < tile.rows; ++r) {
                   loops.rescale(plane + r * stride, tile.cols, 1.0F / loaded.scale,
                                 static_cast<float>(loaded.mean * total),
                                 out.data() + (tile.top + r) * windows.cols + tile.left);
                 }
               });
}

template <class T>
void response_patches(const ImageView<T>& image, const ImageView<float>& pattern,
                      std::span<const std::int64_t> top_left, std::int64_t radius, std::span<float> out, int threads,
                      Simd level) {
  const PatternMoments moments = moments_of(pattern);
  const TileSize windows = window_counts(image, pattern);
  const TileSize size = {pattern.rows, pattern.cols};
  if (radius < 0 || radius > kLargestTemplate / 2) {
    throw std::invalid_argument("radius must be 0 to 2048 pixels");
  }
  if (top_left.size() % 2 != 0) {
    throw std::invalid_argument("places must be pairs of (row, col)");
  }
  const std::int64_t side = 2 * radius + 1;
  check_size(out.size(), static_cast<std::int64_t>(top_left.size() / 2) * side * side);
  std::ranges::fill(out, std::numeric_limits<float>::quiet_NaN());
  std::vector<Tile> tiles;
  std::vector<float*> corners;
  const auto places = static_cast<std::int64_t>(top_left.size() / 2);
  for (std::int64_t i = 0; i < places; ++i) {
    const std::int64_t row =
        std::clamp<std::int64_t>(top_left[static_cast<std::size_t>(2 * i)], -side, windows.rows + side);
    const std::int64_t col =
        std::clamp<std::int64_t>(top_left[static_cast<std::size_t>(2 * i + 1)], -side, windows.cols + side);
    const std::int64_t top = std::max<std::int64_t>(row - radius, 0);
    const std::int64_t left = std::max<std::int64_t>(col - radius, 0);
    const std::int64_t bottom = std::min(row + radius + 1, windows.rows);
    const std::int64_t right = std::min(col + radius + 1, windows.cols);
    if (top < bottom && left < right) {
      tiles.push_back({top, left, bottom - top, right - left});
      corners.push_back(out.data() + (i * side + top - (row - radius)) * side + left - (col - radius));
    }
  }
  if (tiles.empty()) {
    return;
  }
  const Filter filter(pattern, 0.0, {fast_side(pattern.rows + side - 1), fast_side(pattern.cols + side - 1)}, level);
  const auto& loops = tile_loops(level);
  const double total = moments.mean * static_cast<double>(size.rows * size.cols);
  filter_tiles(image, filter, tiles, size, threads, level,
               [&](std::size_t i, const Loaded<T>& loaded, const float* plane, std::int64_t stride) {
                 for (std::int64_t r = 0; r < tiles[i].rows; ++r) {
                   loops.rescale(plane + r * stride, tiles[i].cols, 1.0F / loaded.scale,
                                 static_cast<float>(loaded.mean * total), corners[i] + r * side);
                 }
               });
}

namespace {

// Means of squares from the sums down their columns, all of them one after the other. Known factors make faster loops.
template <std::int64_t Known, class Column>
void average_columns(const Column* columns, std::int64_t count, std::int64_t factor, float* out) {
  const std::int64_t side = Known > 0 ? Known : factor;
  const double part = 1.0 / static_cast<double>(side * side);
  for (std::int64_t i = 0; i < count; ++i) {
    std::conditional_t<std::is_same_v<Column, float>, double, Column> total = 0;
    for (std::int64_t c = 0; c < side; ++c) {
      total += columns[i * side + c];
    }
    out[i] = static_cast<float>(static_cast<double>(total) * part);
  }
}

template <class Column>
void average_columns(const Column* columns, std::int64_t count, std::int64_t factor, float* out) {
  switch (factor) {
    case 2:
      return average_columns<2>(columns, count, factor, out);
    case 4:
      return average_columns<4>(columns, count, factor, out);
    case 8:
      return average_columns<8>(columns, count, factor, out);
    default:
      return average_columns<0>(columns, count, factor, out);
  }
}

void add_rows(const RowLoops& loops, const PixelRows<std::uint8_t>& pixels, std::uint32_t* columns) {
  loops.sum8.add_rows(pixels.first, pixels.row_stride, pixels.rows, pixels.cols, columns, nullptr);
}

void add_rows(const RowLoops& loops, const PixelRows<std::uint16_t>& pixels, std::uint32_t* columns) {
  loops.sum16.add_rows(pixels.first, pixels.row_stride, pixels.rows, pixels.cols, columns, nullptr);
}

void add_rows(const RowLoops& loops, const PixelRows<float>& pixels, float* columns) {
  for (std::int64_t r = 0; r < pixels.rows; ++r) {
    loops.float32.add_weighted(pixels.first + r * pixels.row_stride, pixels.cols, 1.0F, columns);
  }
}

}  // namespace

template <class T>
void downsampled(const ImageView<T>& image, std::int64_t factor, std::span<float> out, int threads, Simd level) {
  if (factor < 1 || factor > kLargestFactor) {
    throw std::invalid_argument("factor must be 1 to 256");
  }
  const std::int64_t rows = image.rows / factor;
  const std::int64_t cols = image.cols / factor;
  check_size(out.size(), rows * cols);
  const auto& loops = row_loops(level);
  constexpr std::int64_t band = 16;
  parallel_for(divided_up(rows, band), threads, [&](std::int64_t b) {
    const std::int64_t width = cols * factor;
    std::vector<std::conditional_t<std::is_same_v<T, float>, float, std::uint32_t>> columns(
        static_cast<std::size_t>(width));
    std::vector<T> copy(image.contiguous_rows() ? 0 : static_cast<std::size_t>(width * factor));
    for (std::int64_t r = b * band; r < std::min(rows, (b + 1) * band); ++r) {
      std::ranges::fill(columns, 0);
      add_rows(loops, pixel_rows(image, {r * factor, 0, factor, width}, copy), columns.data());
      average_columns(columns.data(), cols, factor, out.data() + r * cols);
    }
  });
}

// NOLINTBEGIN(cppcoreguidelines-macro-usage): no function instantiates templates
#define CEMVIS_FOR_PIXELS(T)                                                                                          \
  template void normalised_correlation<T>(const ImageView<T>&, const ImageView<float>&, std::span<float>, int, Simd); \
  template void linear_response<T>(const ImageView<T>&, const ImageView<float>&, std::span<float>, int, Simd);        \
  template void response_patches<T>(const ImageView<T>&, const ImageView<float>&, std::span<const std::int64_t>,      \
                                    std::int64_t, std::span<float>, int, Simd);                                       \
  template void downsampled<T>(const ImageView<T>&, std::int64_t, std::span<float>, int, Simd)
CEMVIS_FOR_PIXELS(std::uint8_t);
CEMVIS_FOR_PIXELS(std::uint16_t);
CEMVIS_FOR_PIXELS(float);
// NOLINTEND(cppcoreguidelines-macro-usage)

}  // namespace cemvis

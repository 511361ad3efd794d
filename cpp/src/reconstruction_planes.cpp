// A pixel's neighbours are those of one eighth of the disc around it, mirrored. So eight rows at a time are added up
// first, in vectors: a pixel is a 1 in its phase's field of 4 bits, and eight of them fit. To read all of them from
// left to right there are four copies of the image: as it is, mirrored, transposed, and both. What is left is to add up
// the eighth of the disc ring by ring.

#include "reconstruction_planes.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "two_point_parts.hpp"

namespace cemvis::annealing {
namespace {

constexpr unsigned kFieldBits = 4;
constexpr std::int64_t kLanes = 16;  // sums are taken of so many places at once; rows have as many pixels more
constexpr std::uint64_t kEven = 0x0f0f0f0f0f0f0f0fU;
constexpr std::int64_t kSumsThatFit = 31;  // of up to 8 in 8 bits

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

// A padded copy of the image, read from left to right from (row, col) on.
template <class Fields>
struct Plane {
  std::vector<Fields> data;
  std::int64_t stride = 0;

  void resize(std::int64_t rows, std::int64_t cols) {
    stride = cols + kLanes;
    data.assign(at(rows * stride), 0);
  }
  [[nodiscard]] const Fields* from(std::int64_t row, std::int64_t col) const {
    return data.data() + row * stride + col;
  }
};

// Sums of eight pixels, with fields of 8 bits that many of them can be added up in. Where those of all phases would
// take more than 64 bits they stay as they are.
template <class Fields>
struct Spread {
  using Type = Fields;
};
template <>
struct Spread<std::uint8_t> {
  using Type = std::uint16_t;
};
template <>
struct Spread<std::uint16_t> {
  using Type = std::uint32_t;
};
template <>
struct Spread<std::uint32_t> {
  using Type = std::uint64_t;
};

template <class Fields>
typename Spread<Fields>::Type spread(Fields sums) {
  using Wide = typename Spread<Fields>::Type;
  // What is shifted has at least 32 bits: narrower numbers would be promoted to signed ones.
  using Shifted = std::conditional_t<(sizeof(Wide) > 4), std::uint64_t, std::uint32_t>;
  Shifted wide = sums;
  if constexpr (sizeof(Fields) == 4) {
    wide = (wide | wide << 16U) & 0x0000ffff0000ffffU;
  }
  if constexpr (sizeof(Fields) == 4 || sizeof(Fields) == 2) {
    wide = (wide | wide << 8U) & static_cast<Shifted>(0x00ff00ff00ff00ffU);
  }
  if constexpr (sizeof(Fields) < 8) {
    wide = (wide | wide << 4U) & static_cast<Shifted>(kEven);
  }
  return static_cast<Wide>(wide);
}

// Writes the sums of eight rows for a whole number of kLanes places, `width` at least.
template <class Fields>
void add_eight(const std::array<const Fields*, 8>& rows, std::int64_t width,
               typename Spread<Fields>::Type* __restrict sums) {
  const Fields* __restrict a = rows[0];
  const Fields* __restrict b = rows[1];
  const Fields* __restrict c = rows[2];
  const Fields* __restrict d = rows[3];
  const Fields* __restrict e = rows[4];
  const Fields* __restrict f = rows[5];
  const Fields* __restrict g = rows[6];
  const Fields* __restrict h = rows[7];
  for (std::int64_t x = 0; x < width; x += kLanes) {
    std::array<Fields, kLanes> sum;  // NOLINT(cppcoreguidelines-pro-type-member-init): all are written
    for (std::int64_t l = 0; l < kLanes; ++l) {
      const std::int64_t n = x + l;
      sum[at(l)] = static_cast<Fields>(a[n] + b[n] + c[n] + d[n] + e[n] + f[n] + g[n] + h[n]);
    }
    for (std::int64_t l = 0; l < kLanes; ++l) {
      sums[x + l] = spread(sum[at(l)]);
    }
  }
}

template <class Fields>
class FoldedPlanes final : public Planes {
 public:
  explicit FoldedPlanes(const PlanesShape& shape)
      : shape_(shape),
        rows_(shape.rows + 2 * shape.r_max),
        cols_(shape.cols + 2 * shape.r_max),
        fold_stride_((shape.r_max / kLanes + 1) * kLanes) {
    planes_[0].resize(rows_, cols_);
    planes_[1].resize(rows_, cols_);
    planes_[2].resize(cols_, rows_);
    planes_[3].resize(cols_, rows_);
    fold_.assign(at((shape.r_max + 1) * fold_stride_), 0);
    list_places();
  }

  void write(std::int64_t row, std::int64_t col, int phase) override {
    const auto one = static_cast<Fields>(std::uint64_t{1} << (static_cast<unsigned>(phase) * kFieldBits));
    // Copies in the margins: r_max is at most half a side, so there is at most one along each axis.
    const std::array<std::int64_t, 2> down{row + shape_.r_max, copy_of(row, shape_.rows)};
    const std::array<std::int64_t, 2> right{col + shape_.r_max, copy_of(col, shape_.cols)};
    for (const std::int64_t y : down) {
      for (const std::int64_t x : right) {
        if (y >= 0 && x >= 0) {
          planes_[0].data[at(y * planes_[0].stride + x)] = one;
          planes_[1].data[at(y * planes_[1].stride + cols_ - 1 - x)] = one;
          planes_[2].data[at(x * planes_[2].stride + y)] = one;
          planes_[3].data[at(x * planes_[3].stride + rows_ - 1 - y)] = one;
        }
      }
    }
  }

  void look_around(std::int64_t row, std::int64_t col, std::int64_t* around) override {
    fold(row + shape_.r_max, col + shape_.r_max);
    const std::uint32_t* place = places_.data();
    for (std::int64_t r = 1; r <= shape_.r_max; ++r) {
      std::int64_t* found = around + r * shape_.phases;
      std::fill_n(found, shape_.phases, 0);
      const std::uint32_t* end = places_.data() + ring_end_[at(r)];
      while (place != end) {
        const std::uint32_t* stop = place + std::min<std::ptrdiff_t>(end - place, kSumsThatFit);
        add_up(place, stop, found);
        place = stop;
      }
    }
  }

  [[nodiscard]] std::int64_t neighbours() const override { return neighbours_; }

 private:
  using Wide = typename Spread<Fields>::Type;

  // Adds the sums at these places, no more of them than fit, to what was found of each phase.
  void add_up(const std::uint32_t* place, const std::uint32_t* stop, std::int64_t* found) const {
    if constexpr (sizeof(Fields) == 8) {
      std::uint64_t even = 0;
      std::uint64_t odd = 0;
      for (; place != stop; ++place) {
        const std::uint64_t sums = fold_[*place];
        even += sums & kEven;
        odd += (sums >> kFieldBits) & kEven;
      }
      for (int v = 0; v < shape_.phases; ++v) {
        auto& from = v % 2 == 0 ? even : odd;
        found[v] += static_cast<std::int64_t>(from & 0xffU);
        from >>= 8U;
      }
    } else {
      std::uint64_t sums = 0;
      for (; place != stop; ++place) {
        sums += fold_[*place];
      }
      for (int v = 0; v < shape_.phases; ++v, sums >>= 8U) {
        found[v] += static_cast<std::int64_t>(sums & 0xffU);
      }
    }
  }

  [[nodiscard]] std::int64_t copy_of(std::int64_t place, std::int64_t side) const {
    if (!shape_.periodic) {
      return -1;
    }
    if (place < shape_.r_max) {
      return place + shape_.r_max + side;
    }
    return place >= side - shape_.r_max ? place + shape_.r_max - side : -1;
  }

  // The places 0 <= dx <= dy of each ring, or (r, 0) alone, and how far rows of sums reach.
  void list_places() {
    widths_.assign(at(shape_.r_max + 1), 0);
    ring_end_.assign(at(shape_.r_max + 1), 0);
    for (std::int64_t r = 1; r <= shape_.r_max; ++r) {
      std::vector<pairs::Shift> ring;
      if (shape_.axes) {
        ring = {{0, r, 0}};
      } else {
        ring = pairs::ring_shifts(r, false, false);
        std::erase_if(ring, [](const pairs::Shift& each) { return each.dx < 0 || each.dx > each.dy; });
      }
      for (const auto& each : ring) {
        places_.push_back(static_cast<std::uint32_t>(each.dy * fold_stride_ + each.dx));
        widths_[at(each.dy)] = std::max(widths_[at(each.dy)], each.dx + 1);
        neighbours_ += each.dx == 0 || each.dx == each.dy ? 4 : 8;
      }
      ring_end_[at(r)] = static_cast<std::int64_t>(places_.size());
    }
  }

  void fold(std::int64_t row, std::int64_t col) {
    const std::int64_t mirrored_col = cols_ - 1 - col;
    const std::int64_t mirrored_row = rows_ - 1 - row;
    for (std::int64_t d = 1; d <= shape_.r_max; ++d) {
      Wide* sums = fold_.data() + d * fold_stride_;
      add_eight<Fields>(
          {planes_[0].from(row - d, col), planes_[0].from(row + d, col), planes_[1].from(row - d, mirrored_col),
           planes_[1].from(row + d, mirrored_col), planes_[2].from(col - d, row), planes_[2].from(col + d, row),
           planes_[3].from(col - d, mirrored_row), planes_[3].from(col + d, mirrored_row)},
          widths_[at(d)], sums);
      // On the axes and on the diagonals two of the eight are the same pixel: no field is odd.
      sums[0] = static_cast<Wide>(sums[0] / 2U);
      if (widths_[at(d)] == d + 1) {
        sums[d] = static_cast<Wide>(sums[d] / 2U);
      }
    }
  }

  PlanesShape shape_;
  std::int64_t rows_;  // with margins
  std::int64_t cols_;
  std::int64_t fold_stride_;
  std::int64_t neighbours_ = 0;
  std::array<Plane<Fields>, 4> planes_;
  std::vector<Wide> fold_;
  std::vector<std::uint32_t> places_;  // in the fold, ring by ring
  std::vector<std::int64_t> ring_end_;
  std::vector<std::int64_t> widths_;  // of the fold's rows
};

}  // namespace

std::unique_ptr<Planes> make_planes(const PlanesShape& shape) {
  if (shape.phases <= 2) {
    return std::make_unique<FoldedPlanes<std::uint8_t>>(shape);
  }
  if (shape.phases <= 4) {
    return std::make_unique<FoldedPlanes<std::uint16_t>>(shape);
  }
  if (shape.phases <= 8) {
    return std::make_unique<FoldedPlanes<std::uint32_t>>(shape);
  }
  return std::make_unique<FoldedPlanes<std::uint64_t>>(shape);
}

}  // namespace cemvis::annealing

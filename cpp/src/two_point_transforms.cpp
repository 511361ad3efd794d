#include "two_point_transforms.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <numbers>
#include <utility>
#include <vector>

#include "cemvis/parallel.hpp"
#include "two_point_loops.hpp"
#include "two_point_parts.hpp"

namespace cemvis::pairs {
namespace {

bool is_smooth(std::int64_t n) {
  for (const std::int64_t factor : {2, 3, 5, 7}) {
    while (n % factor == 0) {
      n /= factor;
    }
  }
  return n == 1;
}

}  // namespace

std::int64_t grid_side(std::int64_t n) {
  std::int64_t side = std::max<std::int64_t>(4, n + n % 2);
  while (!is_smooth(side)) {
    side += 2;
  }
  return side;
}

FourierGrid grid_for(const Place& first, const Place& second, const Place& offset, std::int64_t r_max) {
  const auto side = [&](std::size_t axis) {
    // The second image lies at 0; lags reach r_max beyond both ends of the first.
    const std::int64_t after = std::max(second[axis], offset[axis] + first[axis] + r_max);
    const std::int64_t before = second[axis] - std::min<std::int64_t>(0, offset[axis] - r_max);
    return grid_side(std::max({after, before, 2 * r_max}));
  };
  return {side(1), side(2), r_max};
}

namespace {

FourierGrid field_grid(const Field& field, std::int64_t r_max) {
  return grid_for(field.first.shape, field.same() ? field.first.shape : field.second.shape, field.offset, r_max);
}

FourierImage placed(const Codes& codes, std::int64_t row, std::int64_t col) {
  return {codes.data.data(), codes.shape[1], codes.shape[2], codes.stride, row, col};
}

std::vector<std::uint16_t> ring_table(std::int64_t r_max) {
  std::vector<std::uint16_t> rings;
  for (std::int64_t dy = 0; dy <= r_max; ++dy) {
    for (std::int64_t dx = 0; dx <= r_max; ++dx) {
      rings.push_back(static_cast<std::uint16_t>(ring_of_square(dy * dy + dx * dx)));
    }
  }
  return rings;
}

// One transform for each thread that asks; each is used by one thread at a time.
class Workers {
 public:
  Workers(const PairTransforms& transforms, const FourierGrid& grid) : transforms_(transforms), grid_(grid) {}

  template <class Use>
  void with_one(const Use& use) {
    std::unique_ptr<PairTransform> mine;
    {
      const std::scoped_lock hold(lock_);
      if (!idle_.empty()) {
        mine = std::move(idle_.back());
        idle_.pop_back();
      }
    }
    if (!mine) {
      mine.reset(transforms_.make(grid_));
    }
    use(*mine);
    const std::scoped_lock hold(lock_);
    idle_.push_back(std::move(mine));
  }

 private:
  const PairTransforms& transforms_;
  FourierGrid grid_;
  std::mutex lock_;
  std::vector<std::unique_ptr<PairTransform>> idle_;
};

}  // namespace

double image_bytes(const FourierGrid& grid, std::int64_t rows, std::int64_t lanes, bool same) {
  return static_cast<double>((rows * (same ? 1 : 2) * (grid.cols + 1) * 16 + (grid.r_max + 1) * grid.cols * 4) * lanes);
}

namespace {

int threads_that_fit(const Field& field, const FourierGrid& grid, std::int64_t lanes, int threads) {
  const double each =
      image_bytes(grid, std::max(field.first.shape[1], field.same() ? 0 : field.second.shape[1]), lanes, field.same());
  return static_cast<int>(std::clamp(field.most_bytes / each, 1.0, static_cast<double>(threads)));
}

}  // namespace

// Differences of levels: the sums over x of exp(2 pi i t (g(x + h) - g(x)) / M), M = 2 span + 1, are the
// autocorrelations of u_t(x) = exp(2 pi i t g(x) / M), and the counts of the differences are their transform over t.
// All sums over rings are taken first.
bool differences_by_fourier(const Field& field, std::int64_t r_max, bool everywhere, int threads, Simd level,
                            Sums& sums) {
  const PairTransforms& transforms = pair_transforms(level);
  const std::int64_t lanes = transforms.lanes;
  const std::int64_t functions = field.first_codes;  // t = 0 .. span
  const std::int64_t period = 2 * functions - 1;
  const FourierGrid grid = field_grid(field, r_max);
  const auto rings = ring_table(r_max);
  std::vector<double> cosine(static_cast<std::size_t>(period));
  std::vector<double> sine(static_cast<std::size_t>(period));
  for (std::int64_t m = 0; m < period; ++m) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(m) / static_cast<double>(period);
    cosine[static_cast<std::size_t>(m)] = std::cos(angle);
    sine[static_cast<std::size_t>(m)] = std::sin(angle);
  }
  const std::int64_t batches = (functions + lanes - 1) / lanes;
  std::vector<double> correlations(static_cast<std::size_t>(batches * lanes * (r_max + 1)));  // [batch][r][lane]
  Workers workers(transforms, grid);
  const FourierImage first = placed(field.first, field.offset[1], field.offset[2]);
  const FourierImage second = placed(field.second, 0, 0);
  parallel_for(batches, threads_that_fit(field, grid, lanes, threads), [&](std::int64_t batch) {
    std::vector<double> table(static_cast<std::size_t>((functions + 1) * 2 * lanes));
    for (std::int64_t code = 0; code < functions; ++code) {
      for (std::int64_t lane = 0; lane < lanes; ++lane) {
        const auto m = static_cast<std::size_t>((batch * lanes + lane) * code % period);
        table[static_cast<std::size_t>(code * 2 * lanes + lane)] = cosine[m];
        table[static_cast<std::size_t>((code * 2 + 1) * lanes + lane)] = sine[m];
      }
    }
    workers.with_one([&](PairTransform& transform) {
      transform.ring_sums(first, field.same() ? nullptr : &second, table.data(), rings.data(),
                          correlations.data() + batch * lanes * (r_max + 1));
    });
  });
  bool close = true;
  for (std::int64_t r = 0; r <= r_max; ++r) {
    const auto correlation = [&](std::int64_t t) {
      return correlations[static_cast<std::size_t>(((t / lanes) * (r_max + 1) + r) * lanes + t % lanes)];
    };
    for (std::int64_t d = 0; d < functions; ++d) {
      double sum = 0.0;
      for (std::int64_t t = 1; t < functions; ++t) {
        sum += cosine[static_cast<std::size_t>(t * d % period)] * correlation(t);
      }
      // Both signs of the difference, and half of all directions.
      const double weight = (d == 0 ? 1.0 : 2.0) * (everywhere || r == 0 ? 1.0 : 0.5);
      const double count = weight * (correlation(0) + 2 * sum) / static_cast<double>(period);
      const double whole = std::nearbyint(count);
      close = close && std::abs(count - whole) < field.guard;  // false for what is no number, too
      sums[static_cast<std::size_t>(r * functions + d)] = static_cast<std::uint64_t>(std::max(whole, 0.0));
    }
  }
  return close;
}

namespace {

// Spectra of the indicators of all levels of an image, in blocks of `lanes` levels.
std::vector<double> spectra_of(const FourierImage& image, std::int64_t levels, const PairTransforms& transforms,
                               Workers& workers, std::int64_t block, int threads) {
  const std::int64_t lanes = transforms.lanes;
  const std::int64_t batches = (levels + 2 * lanes - 1) / (2 * lanes);
  std::vector<double> spectra(static_cast<std::size_t>(2 * batches * block));
  parallel_for(batches, threads, [&](std::int64_t batch) {
    std::vector<double> table(static_cast<std::size_t>((levels + 1) * 2 * lanes));
    for (std::int64_t level = 2 * batch * lanes; level < std::min(levels, 2 * (batch + 1) * lanes); ++level) {
      table[static_cast<std::size_t>(level * 2 * lanes + level - 2 * batch * lanes)] = 1.0;
    }
    double* to = spectra.data() + 2 * batch * block;
    workers.with_one([&](PairTransform& transform) { transform.spectra(image, table.data(), to, to + block); });
  });
  return spectra;
}

// A level of the first image with `lanes` ones of the second from j on: the first or the second of two joined ones.
struct Products {
  std::int64_t i = 0;
  std::int64_t j = 0;
  std::int64_t which = 0;
  std::int64_t lanes = 1;
};

void take_products(const Field& field, std::int64_t r_max, bool everywhere, const Products& products,
                   const std::vector<double>& found, Sums& sums) {
  const auto [i, first_j, which, lanes] = products;
  const std::int64_t levels = field.first_codes;
  const std::int64_t cells = everywhere ? levels * field.second_codes : levels * (levels + 1) / 2;
  const std::int64_t end = std::min(field.second_codes, first_j + lanes);
  for (std::int64_t j = everywhere ? first_j : std::max(first_j, i); j < end; ++j) {
    const std::int64_t cell = everywhere ? i * field.second_codes + j : j * (j + 1) / 2 + i;
    for (std::int64_t r = 0; r <= r_max; ++r) {
      const auto count =
          static_cast<std::uint64_t>(found[static_cast<std::size_t>((2 * r + which) * lanes + j - first_j)]);
      // Pairs of one level have been met from both ends.
      sums[static_cast<std::size_t>(r * cells + cell)] = !everywhere && r > 0 && j == i ? count / 2 : count;
    }
  }
}

}  // namespace

// Pairs of levels: correlations of the levels' indicators. Two of them, one times a power of two above all counts, are
// transformed back as one where both fit a double.
bool levels_by_fourier(const Field& field, std::int64_t r_max, bool everywhere, int threads, Simd level, Sums& sums) {
  const PairTransforms& transforms = pair_transforms(level);
  const std::int64_t lanes = transforms.lanes;
  const FourierGrid grid = field_grid(field, r_max);
  const auto rings = ring_table(r_max);
  const int fitting = threads_that_fit(field, grid, lanes, threads);
  Workers workers(transforms, grid);
  const std::int64_t block = (grid.rows / 2 + 1) * (grid.cols / 2 + 1) * 4 * lanes;
  const auto first = spectra_of(placed(field.first, field.offset[1], field.offset[2]), field.first_codes, transforms,
                                workers, block, fitting);
  std::vector<double> other;
  if (!field.same()) {
    other = spectra_of(placed(field.second, 0, 0), field.second_codes, transforms, workers, block, fitting);
  }
  const std::vector<double>& second = field.same() ? first : other;
  const auto pixels = static_cast<double>(field.first.shape[1] * field.first.shape[2]);
  const double scale = std::exp2(std::ceil(std::log2(4 * pixels + 1)));
  const std::int64_t step = scale <= 0x1p21 ? 2 : 1;
  const std::int64_t units = (field.first_codes + step - 1) / step;
  std::vector<double> worst(static_cast<std::size_t>(units));
  parallel_for(units, fitting, [&](std::int64_t unit) {
    const std::int64_t i = unit * step;
    const bool two = step == 2 && i + 1 < field.first_codes;
    std::vector<double> joined(static_cast<std::size_t>(block / lanes));
    std::vector<double> found(static_cast<std::size_t>((r_max + 1) * 2 * lanes));
    workers.with_one([&](PairTransform& transform) {
      transform.joined(first.data() + i / lanes * block, i % lanes,
                       two ? first.data() + (i + 1) / lanes * block : nullptr, (i + 1) % lanes, scale, joined.data());
      for (std::int64_t j = everywhere ? 0 : i / lanes * lanes; j < field.second_codes; j += lanes) {
        std::ranges::fill(found, 0.0);
        const double off = transform.ring_products(joined.data(), scale, second.data() + j / lanes * block,
                                                   rings.data(), found.data());
        worst[static_cast<std::size_t>(unit)] = std::max(worst[static_cast<std::size_t>(unit)], off);
        for (std::int64_t which = 0; which < (two ? 2 : 1); ++which) {
          take_products(field, r_max, everywhere, {i + which, j, which, lanes}, found, sums);
        }
      }
    });
  });
  return std::ranges::all_of(worst, [&](double off) { return off < field.guard; });
}

}  // namespace cemvis::pairs

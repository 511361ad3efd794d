// Compiled once for each SIMD level, with CEMVIS_SIMD_LEVEL as the namespace; the rules of tiling_rows.cpp hold here
// too.

#include <cstring>

#include "pocketfft_level.hpp"
#include "two_point_loops.hpp"

namespace cemvis::CEMVIS_SIMD_LEVEL {
namespace {

namespace fft = pocketfft::detail;

// Two at a time at every level: longer vectors make the lines and grids of complex numbers too long for their caches,
// which costs more than the arithmetic saves.
#ifdef POCKETFFT_NO_VECTORS
using Lanes = double;
#else
using Lanes __attribute__((vector_size(16))) = double;
#endif
constexpr std::int64_t kLanes = sizeof(Lanes) / sizeof(double);

// As many functions of the levels as a vector has lanes are transformed side by side.
using Complex = fft::cmplx<Lanes>;

Lanes loaded(const double* values) {
  Lanes lanes;
  std::memcpy(&lanes, values, sizeof lanes);
  return lanes;
}

void store(const Lanes& lanes, double* values) { std::memcpy(values, &lanes, sizeof lanes); }

// Lines of kLanes numbers in a grid, one element apart from the next line: powers of two would fall on one another in
// the caches.
constexpr std::int64_t kGap = 1;

class Transform final : public PairTransform {
 public:
  explicit Transform(const FourierGrid& grid)
      : grid_(grid),
        quarter_rows_(grid.rows / 2 + 1),
        quarter_cols_(grid.cols / 2 + 1),
        across_(static_cast<std::size_t>(grid.cols)),
        down_(static_cast<std::size_t>(grid.rows)),
        quarter_across_(static_cast<std::size_t>(quarter_cols_)),
        quarter_down_(static_cast<std::size_t>(quarter_rows_)),
        half_(static_cast<std::size_t>((grid.r_max + 1) * (quarter_cols_ + kGap))),
        line_(static_cast<std::size_t>(quarter_cols_ < quarter_rows_ ? quarter_rows_ : quarter_cols_)) {
    for (auto* column : {&here_, &mirrored_, &other_here_, &other_mirrored_}) {
      column->resize(static_cast<std::size_t>(grid.rows));
    }
  }

  void ring_sums(const FourierImage& first, const FourierImage* second, const double* table,
                 const std::uint16_t* ring_of, double* sums) override {
    transform_rows(first, table, first_rows_);
    if (second != nullptr) {
      transform_rows(*second, table, second_rows_);
    }
    const Lanes quarter = Lanes{} + 0.25;
    for (std::int64_t col = 0; col < quarter_cols_; ++col) {
      transform_columns(first, first_rows_, col, here_.data(), mirrored_.data());
      if (second != nullptr) {
        transform_columns(*second, second_rows_, col, other_here_.data(), other_mirrored_.data());
      }
      const Complex* a = here_.data();
      const Complex* am = mirrored_.data();
      const Complex* b = second != nullptr ? other_here_.data() : a;
      const Complex* bm = second != nullptr ? other_mirrored_.data() : am;
      for (std::int64_t row = 0; row < quarter_rows_; ++row) {
        const std::int64_t back = row == 0 ? 0 : grid_.rows - row;
        line_[static_cast<std::size_t>(row)] = quarter * ((product(a[row], b[row]) + product(a[back], b[back])) +
                                                          (product(am[row], bm[row]) + product(am[back], bm[back])));
      }
      finish_column(col);
    }
    add_rings(ring_of, sums);
  }

  void spectra(const FourierImage& image, const double* table, double* real_block, double* imag_block) override {
    transform_rows(image, table, first_rows_);
    const Lanes half = Lanes{} + 0.5;
    for (std::int64_t col = 0; col < quarter_cols_; ++col) {
      transform_columns(image, first_rows_, col, here_.data(), mirrored_.data());
      for (std::int64_t row = 0; row < quarter_rows_; ++row) {
        const std::int64_t back = row == 0 ? 0 : grid_.rows - row;
        const Complex& one = here_[static_cast<std::size_t>(row)];
        const Complex& one_conj = mirrored_[static_cast<std::size_t>(back)];
        const Complex& two = mirrored_[static_cast<std::size_t>(row)];
        const Complex& two_conj = here_[static_cast<std::size_t>(back)];
        store(half * (one.r + one_conj.r), real_block);
        store(half * (one.i - one_conj.i), real_block + kLanes);
        store(half * (two.r + two_conj.r), real_block + 2 * kLanes);
        store(half * (two.i - two_conj.i), real_block + 3 * kLanes);
        store(half * (one.i + one_conj.i), imag_block);
        store(half * (one_conj.r - one.r), imag_block + kLanes);
        store(half * (two.i + two_conj.i), imag_block + 2 * kLanes);
        store(half * (two_conj.r - two.r), imag_block + 3 * kLanes);
        real_block += 4 * kLanes;
        imag_block += 4 * kLanes;
      }
    }
  }

  void joined(const double* a, std::int64_t i, const double* a2, std::int64_t i2, double scale,
              double* out) const override {
    const double* one = a + i;
    const double* two = a2 != nullptr ? a2 + i2 : one;
    const double times = a2 != nullptr ? scale : 0.0;
    for (std::int64_t x = 0; x < quarter_cols_ * quarter_rows_ * 4; ++x) {
      out[x] = one[x * kLanes] + times * two[x * kLanes];
    }
  }

  double ring_products(const double* level, double scale, const double* block, const std::uint16_t* ring_of,
                       double* sums) override {
    const Lanes half = Lanes{} + 0.5;
    for (std::int64_t col = 0; col < quarter_cols_; ++col) {
      for (std::int64_t row = 0; row < quarter_rows_; ++row, level += 4, block += 4 * kLanes) {
        const Lanes here = level[0] * loaded(block) + level[1] * loaded(block + kLanes);
        const Lanes mirrored = level[2] * loaded(block + 2 * kLanes) + level[3] * loaded(block + 3 * kLanes);
        line_[static_cast<std::size_t>(row)] = half * (here + mirrored);
      }
      finish_column(col);
    }
    return add_whole_rings(scale, ring_of, sums);
  }

 private:
  // Re(conj(a) b)
  static Lanes product(const Complex& a, const Complex& b) { return a.r * b.r + a.i * b.i; }

  void transform_rows(const FourierImage& image, const double* table, fft::arr<Complex>& rows) const {
    const std::int64_t stride = grid_.cols + kGap;
    rows.resize(static_cast<std::size_t>(image.rows * stride));
    const Complex zero(Lanes{}, Lanes{});
    for (std::int64_t y = 0; y < image.rows; ++y) {
      Complex* line = rows.data() + y * stride;
      const std::uint16_t* codes = image.codes + y * image.stride;
      for (std::int64_t x = 0; x < image.col; ++x) {
        line[x] = zero;
      }
      for (std::int64_t x = 0; x < image.cols; ++x) {
        const double* values = table + std::int64_t{codes[x]} * 2 * kLanes;
        line[image.col + x].Set(loaded(values), loaded(values + kLanes));
      }
      for (std::int64_t x = image.col + image.cols; x < grid_.cols; ++x) {
        line[x] = zero;
      }
      across_.exec(line, 1.0, true);
    }
  }

  // The columns of frequencies `col` and -col.
  void transform_columns(const FourierImage& image, const fft::arr<Complex>& rows, std::int64_t col, Complex* here,
                         Complex* mirrored) const {
    const std::int64_t back = col == 0 ? 0 : grid_.cols - col;
    transform_column(image, rows, col, here);
    if (back == col) {
      std::memcpy(mirrored, here, static_cast<std::size_t>(grid_.rows) * sizeof(Complex));
    } else {
      transform_column(image, rows, back, mirrored);
    }
  }

  void transform_column(const FourierImage& image, const fft::arr<Complex>& rows, std::int64_t col,
                        Complex* column) const {
    const Complex zero(Lanes{}, Lanes{});
    for (std::int64_t y = 0; y < image.row; ++y) {
      column[y] = zero;
    }
    const Complex* from = rows.data() + col;
    for (std::int64_t y = 0; y < image.rows; ++y, from += grid_.cols + kGap) {
      column[image.row + y] = *from;
    }
    for (std::int64_t y = image.row + image.rows; y < grid_.rows; ++y) {
      column[y] = zero;
    }
    down_.exec(column, 1.0, true);
  }

  // From the spectrum of one column, folded to frequencies from 0 upwards, to the lags dy = 0 .. r_max.
  void finish_column(std::int64_t col) {
    quarter_down_.exec(line_.data(), 1.0, false, 1, true);
    for (std::int64_t dy = 0; dy <= grid_.r_max; ++dy) {
      half_[static_cast<std::size_t>(dy * (quarter_cols_ + kGap) + col)] = line_[static_cast<std::size_t>(dy)];
    }
  }

  // Lags of one dy; what they weigh takes in the lags mirrored at both axes.
  template <class Take>
  void each_lag(const std::uint16_t* ring_of, const Take& take) {
    const std::int64_t side = grid_.r_max + 1;
    const double norm = 1.0 / (static_cast<double>(grid_.rows) * static_cast<double>(grid_.cols));
    for (std::int64_t dy = 0; dy < side; ++dy) {
      Lanes* lags = half_.data() + dy * (quarter_cols_ + kGap);
      quarter_across_.exec(lags, 1.0, false, 1, true);
      for (std::int64_t dx = 0; dx < side; ++dx) {
        const std::int64_t ring = ring_of[dy * side + dx];
        if (ring < side) {
          take(ring, (dy == 0 ? 1.0 : 2.0) * (dx == 0 ? 1.0 : 2.0) * norm, lags[dx]);
        }
      }
    }
  }

  void add_rings(const std::uint16_t* ring_of, double* sums) {
    each_lag(ring_of, [sums](std::int64_t ring, double weight, const Lanes& lag) {
      double* to = sums + ring * kLanes;
      store(loaded(to) + (Lanes{} + weight) * lag, to);
    });
  }

  double add_whole_rings(double scale, const std::uint16_t* ring_of, double* sums) {
    // Adding and taking away 1.5 * 2^52 rounds to the nearest whole number.
    const Lanes round = Lanes{} + 6755399441055744.0;
    const Lanes times = Lanes{} + scale;
    const Lanes unscale = Lanes{} + 1.0 / scale;
    // The whole part of a whole number / scale: no tie, for scale is a power of two.
    const Lanes down = Lanes{} - 0.5 + 0.5 / scale;
    Lanes worst{};
    each_lag(ring_of, [&](std::int64_t ring, double weight, const Lanes& lag) {
      const Lanes value = (Lanes{} + weight) * lag;
      const Lanes whole = (value + round) - round;
      const Lanes off = value - whole;
      worst = worst < off ? off : worst;
      worst = worst < -off ? -off : worst;
      const Lanes upper = ((whole * unscale + down) + round) - round;
      double* low = sums + 2 * ring * kLanes;
      double* high = low + kLanes;
      store(loaded(low) + (whole - times * upper), low);
      store(loaded(high) + upper, high);
    });
    double most = 0.0;
    double each[kLanes];  // NOLINT(modernize-avoid-c-arrays,cppcoreguidelines-avoid-c-arrays)
    store(worst, each);
    for (const double off : each) {
      most = most < off ? off : most;
    }
    return most;
  }

  FourierGrid grid_;
  std::int64_t quarter_rows_;
  std::int64_t quarter_cols_;
  fft::cfftp<double> across_;
  fft::cfftp<double> down_;
  fft::T_dct1<double> quarter_across_;
  fft::T_dct1<double> quarter_down_;
  fft::arr<Complex> first_rows_;
  fft::arr<Complex> second_rows_;
  fft::arr<Complex> here_;
  fft::arr<Complex> mirrored_;
  fft::arr<Complex> other_here_;
  fft::arr<Complex> other_mirrored_;
  fft::arr<Lanes> half_;
  fft::arr<Lanes> line_;
};

// NOLINTNEXTLINE(cppcoreguidelines-owning-memory): smart pointers are templates, too
PairTransform* made_transform(const FourierGrid& grid) { return new Transform(grid); }

}  // namespace

constinit const PairTransforms pair_transforms = {kLanes, made_transform};

}  // namespace cemvis::CEMVIS_SIMD_LEVEL

// How a reconstruction begins: checks, the lists of pixels by phase, and the first counts.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>

#include "cemvis/reconstruction.hpp"
#include "cemvis/two_point.hpp"
#include "reconstruction_planes.hpp"

namespace cemvis {
namespace {

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

// splitmix64, which fills the state of the generator from one number.
std::uint64_t next_seed(std::uint64_t& state) {
  state += 0x9e3779b97f4a7c15U;
  std::uint64_t z = state;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31U);
}

bool all_finite(std::span<const double> values) {
  return std::ranges::all_of(values, [](double value) { return std::isfinite(value) && value >= 0.0; });
}

std::int64_t padded_pixels(std::int64_t rows, std::int64_t cols, std::int64_t margin) {
  return (rows + 2 * margin) * (cols + 2 * margin);
}

}  // namespace

Reconstruction::Reconstruction(const ImageView<std::uint8_t>& image, const ReconstructionSetup& setup,
                               std::span<const double> target, std::span<const double> weights, std::uint64_t seed,
                               int threads)
    : setup_(setup), rows_(image.rows), cols_(image.cols), cells_(setup.phases * (setup.phases + 1) / 2) {
  check(image, target, weights);
  lay_out(image);
  count(image, threads);
  expected_.resize(counts_.size());
  error_.resize(counts_.size());
  scale_.resize(at(setup_.r_max + 1));
  for (std::int64_t r = 1; r <= setup_.r_max; ++r) {
    const auto pairs = static_cast<double>(pairs_[at(r)]);
    scale_[at(r)] = weights[at(r)] / (pairs * pairs);
    for (std::int64_t c = r * cells_; c < (r + 1) * cells_; ++c) {
      expected_[at(c)] = target[at(c)] * pairs;
      error_[at(c)] = static_cast<double>(counts_[at(c)]) - expected_[at(c)];
    }
  }
  moved_.assign(at((setup_.r_max + 1) * setup_.phases), 0);
  around_ = moved_;
  for (auto& word : random_) {
    word = next_seed(seed);
  }
  take_energy();
}

Reconstruction::Reconstruction(Reconstruction&&) noexcept = default;
Reconstruction& Reconstruction::operator=(Reconstruction&&) noexcept = default;
Reconstruction::~Reconstruction() = default;

std::int64_t Reconstruction::neighbours() const { return planes_->neighbours(); }

void Reconstruction::check(const ImageView<std::uint8_t>& image, std::span<const double> target,
                           std::span<const double> weights) const {
  if (setup_.phases < 2 || setup_.phases > kMostPhases) {
    throw std::invalid_argument("there must be 2 to 16 phases");
  }
  const std::int64_t side = std::min(image.rows, image.cols);
  if (setup_.r_max < 1 || setup_.r_max > (setup_.periodic ? side / 2 : side - 1)) {
    throw std::invalid_argument("r_max must be from 1 to half the shorter side (not periodic: the shorter side - 1)");
  }
  // Members of phases take 32 bits; sides are looked at first, so that no product overflows.
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  if (std::max(image.rows, image.cols) > most / 8 || padded_pixels(image.rows, image.cols, setup_.r_max) > most) {
    throw std::invalid_argument("the image with its margins must have below 2^31 pixels");
  }
  if (std::ssize(target) != (setup_.r_max + 1) * cells_ || std::ssize(weights) != setup_.r_max + 1) {
    throw std::invalid_argument("target must have (r_max + 1) x cells numbers, weights r_max + 1");
  }
  if (!all_finite(target) || !all_finite(weights)) {
    throw std::invalid_argument("target and weights must be finite and not below 0");
  }
}

void Reconstruction::lay_out(const ImageView<std::uint8_t>& image) {
  phase_.resize(at(pixels()));
  place_.resize(at(pixels()));
  members_.resize(at(setup_.phases));
  planes_ = annealing::make_planes({rows_, cols_, setup_.r_max, setup_.phases, setup_.periodic, setup_.axes});
  for (std::int64_t row = 0; row < rows_; ++row) {
    for (std::int64_t col = 0; col < cols_; ++col) {
      const int phase = image.at(row, col);
      if (phase >= setup_.phases) {
        throw std::invalid_argument("a level is not below the number of phases");
      }
      const std::int64_t pixel = row * cols_ + col;
      auto& members = members_[at(phase)];
      place_[at(pixel)] = static_cast<std::int32_t>(members.size());
      members.push_back(static_cast<std::int32_t>(pixel));
      write(pixel, phase);
    }
  }
  if (std::ranges::count_if(members_, [](const auto& each) { return !each.empty(); }) < 2) {
    throw std::invalid_argument("the image has one phase; nothing can be swapped");
  }
}

void Reconstruction::count(const ImageView<std::uint8_t>& image, int threads) {
  counts_.assign(at((setup_.r_max + 1) * cells_), 0);
  pairs_.assign(at(setup_.r_max + 1), 0);
  if (setup_.axes) {
    count_axes(image);
    return;
  }
  PairRequest request;
  request.image = {phase_.data(), {1, rows_, cols_}, {rows_ * cols_, cols_, 1}};
  request.periodic = setup_.periodic;
  request.levels = setup_.phases;
  radial_pair_counts(request, setup_.r_max, PairAlgorithm::automatic, counts_, pairs_, threads);
}

void Reconstruction::count_axes(const ImageView<std::uint8_t>& image) {
  for (std::int64_t r = 0; r <= setup_.r_max; ++r) {
    const auto add = [&](std::int64_t dy, std::int64_t dx) {
      for (std::int64_t row = 0; row < (setup_.periodic ? rows_ : rows_ - dy); ++row) {
        for (std::int64_t col = 0; col < (setup_.periodic ? cols_ : cols_ - dx); ++col) {
          const auto other = image.at((row + dy) % rows_, (col + dx) % cols_);
          ++counts_[at(r * cells_ + cell(image.at(row, col), other))];
          ++pairs_[at(r)];
        }
      }
    };
    add(0, r);
    if (r > 0) {
      add(r, 0);
    }
  }
}

void Reconstruction::take_energy() {
  energy_ = 0.0;
  for (std::int64_t r = 1; r <= setup_.r_max; ++r) {
    double sum = 0.0;
    for (std::int64_t j = 0; j < setup_.phases; ++j) {
      for (std::int64_t i = setup_.autocorrelations ? j : 0; i <= j; ++i) {
        const double error = error_[at(r * cells_ + cell(i, j))];
        sum += error * error;
      }
    }
    energy_ += scale_[at(r)] * sum;
  }
}

void Reconstruction::copy_image(std::span<std::uint8_t> out) const {
  if (out.size() != phase_.size()) {
    throw std::invalid_argument("out must have as many pixels as the image");
  }
  std::ranges::copy(phase_, out.begin());
}

}  // namespace cemvis

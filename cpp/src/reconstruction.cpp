#include "cemvis/reconstruction.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <utility>

#include "reconstruction_planes.hpp"

namespace cemvis {
namespace {

// After so many pixels without a neighbour of another phase, any will do.
constexpr int kMostDraws = 256;

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

}  // namespace

void Reconstruction::write(std::int64_t pixel, int phase) {
  phase_[at(pixel)] = static_cast<std::uint8_t>(phase);
  planes_->write(pixel / cols_, pixel % cols_, phase);
}

void Reconstruction::look(const Pick& pick) {
  planes_->look_around(pick.first / cols_, pick.first % cols_, moved_.data());
  // Seen from the second pixel the first has changed already: pairs of the two need no case of their own.
  write(pick.first, phase_at(pick.second));
  planes_->look_around(pick.second / cols_, pick.second % cols_, around_.data());
  for (std::size_t n = 0; n < moved_.size(); ++n) {
    moved_[n] -= around_[n];
  }
}

// A first pixel of phase a that becomes b, and a second one the other way, move `moved` pairs of each ring and third
// phase v from (a, v) to (b, v).
double Reconstruction::change(int a, int b) const {
  const auto aa = cell(a, a);
  const auto bb = cell(b, b);
  const auto ab = cell(a, b);
  double total = 0.0;
  for (std::int64_t r = 1; r <= setup_.r_max; ++r) {
    const double* error = error_.data() + r * cells_;
    const std::int64_t* moved = moved_.data() + r * setup_.phases;
    const auto da = static_cast<double>(moved[a]);
    const auto db = static_cast<double>(moved[b]);
    double sum = da * (da - 2.0 * error[aa]) + db * (db + 2.0 * error[bb]);
    if (!setup_.autocorrelations) {
      const double across = da - db;
      sum += across * (across + 2.0 * error[ab]);
      for (int v = 0; v < setup_.phases; ++v) {
        if (v != a && v != b) {
          const auto d = static_cast<double>(moved[v]);
          sum += 2.0 * d * (d + error[cell(b, v)] - error[cell(a, v)]);
        }
      }
    }
    total += scale_[at(r)] * sum;
  }
  return total;
}

// The first pixel has been written by look().
void Reconstruction::commit(const Pick& pick, int a, int b) {
  write(pick.second, a);
  std::swap(place_[at(pick.first)], place_[at(pick.second)]);
  members_[at(a)][at(place_[at(pick.second)])] = static_cast<std::int32_t>(pick.second);
  members_[at(b)][at(place_[at(pick.first)])] = static_cast<std::int32_t>(pick.first);
  for (std::int64_t r = 1; r <= setup_.r_max; ++r) {
    for (int v = 0; v < setup_.phases; ++v) {
      const auto moved = static_cast<std::uint64_t>(moved_[at(r * setup_.phases + v)]);  // wraps, and back again
      const auto from = at(r * cells_ + cell(a, v));
      const auto to = at(r * cells_ + cell(b, v));
      counts_[from] -= moved;
      counts_[to] += moved;
    }
    for (int v = 0; v < setup_.phases; ++v) {
      for (const auto n : {at(r * cells_ + cell(a, v)), at(r * cells_ + cell(b, v))}) {
        error_[n] = static_cast<double>(counts_[n]) - expected_[n];
      }
    }
  }
  take_energy();
}

void Reconstruction::swap_pixels(std::int64_t first, std::int64_t second) {
  if (std::min(first, second) < 0 || std::max(first, second) >= pixels()) {
    throw std::invalid_argument("a pixel to swap lies outside the image");
  }
  const int a = phase_at(first);
  const int b = phase_at(second);
  if (a != b) {
    look({first, second});
    commit({first, second}, a, b);
  }
}

void Reconstruction::sample_changes(std::span<double> out) {
  for (double& value : out) {
    const Pick pick = draw();
    const int a = phase_at(pick.first);
    const int b = phase_at(pick.second);
    look(pick);
    value = change(a, b);
    write(pick.first, a);
  }
}

AnnealingRun Reconstruction::anneal(std::int64_t trials, double temperature) {
  if (trials < 0 || !(temperature >= 0.0) || !std::isfinite(temperature)) {
    throw std::invalid_argument("trials and temperature must be finite and not below 0");
  }
  AnnealingRun run;
  for (std::int64_t n = 0; n < trials; ++n) {
    const Pick pick = draw();
    const int a = phase_at(pick.first);
    const int b = phase_at(pick.second);
    look(pick);
    const double by = change(a, b);
    // Drawn for every trial, so that the numbers used do not hang on the energies.
    const double chance = static_cast<double>(random() >> 11U) * 0x1p-53;
    const bool better = by < 0.0;
    if (better || (temperature > 0.0 && chance < std::exp(-by / temperature))) {
      commit(pick, a, b);
      ++run.accepted;
      run.worse += by > 0.0 ? 1 : 0;
    } else {
      write(pick.first, a);
    }
  }
  return run;
}

// xoshiro256** 1.0 (Blackman and Vigna, doi:10.1145/3460772).
std::uint64_t Reconstruction::random() {
  const std::uint64_t result = std::rotl(random_[1] * 5U, 7) * 9U;
  const std::uint64_t kept = random_[1] << 17U;
  random_[2] ^= random_[0];
  random_[3] ^= random_[1];
  random_[1] ^= random_[2];
  random_[0] ^= random_[3];
  random_[2] ^= kept;
  random_[3] = std::rotl(random_[3], 45);
  return result;
}

std::int64_t Reconstruction::below(std::int64_t count) {
  return static_cast<std::int64_t>((random() >> 32U) * static_cast<std::uint64_t>(count) >> 32U);
}

bool Reconstruction::at_interface(std::int64_t pixel) const {
  const std::int64_t row = pixel / cols_;
  const std::int64_t col = pixel % cols_;
  const auto differs = [&](std::int64_t y, std::int64_t x) {
    if (setup_.periodic) {
      y = (y + rows_) % rows_;
      x = (x + cols_) % cols_;
    } else if (y < 0 || y >= rows_ || x < 0 || x >= cols_) {
      return false;
    }
    return phase_at(y * cols_ + x) != phase_at(pixel);
  };
  return differs(row - 1, col) || differs(row, col - 1) || differs(row, col + 1) || differs(row + 1, col);
}

std::int64_t Reconstruction::draw_other(int phase) {
  std::int64_t n = below(pixels() - static_cast<std::int64_t>(members_[at(phase)].size()));
  for (int v = 0;; ++v) {
    const auto size = static_cast<std::int64_t>(members_[at(v)].size());
    if (v != phase && n < size) {
      return members_[at(v)][at(n)];
    }
    n -= v == phase ? 0 : size;
  }
}

Reconstruction::Pick Reconstruction::draw() {
  Pick pick{below(pixels()), 0};
  for (int n = 0; setup_.interfaces && n < kMostDraws && !at_interface(pick.first); ++n) {
    pick.first = below(pixels());
  }
  const int phase = phase_at(pick.first);
  pick.second = draw_other(phase);
  for (int n = 0; setup_.interfaces && n < kMostDraws && !at_interface(pick.second); ++n) {
    pick.second = draw_other(phase);
  }
  return pick;
}

}  // namespace cemvis

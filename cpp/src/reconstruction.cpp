#include "cemvis/reconstruction.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <utility>

namespace cemvis {
namespace {

// After so many pixels without a neighbour of another phase, any will do.
constexpr int kMostDraws = 256;

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

}  // namespace

void Reconstruction::write(std::int64_t pixel, int phase) {
  phase_[at(pixel)] = static_cast<std::uint8_t>(phase);
  const auto shift = static_cast<std::uint8_t>(phase * field_bits_);
  const std::int64_t home = padded(pixel);
  shifts_[at(home)] = shift;
  if (!setup_.periodic) {
    return;
  }
  // Copies in the margins: r_max is at most half a side, so there is at most one along each axis.
  const std::int64_t row = pixel / cols_;
  const std::int64_t col = pixel % cols_;
  const std::int64_t down = row < margin_ ? rows_ : -rows_;
  const std::int64_t right = col < margin_ ? cols_ : -cols_;
  const bool copied_down = row < margin_ || row >= rows_ - margin_;
  const bool copied_right = col < margin_ || col >= cols_ - margin_;
  if (copied_down) {
    shifts_[at(home + down * stride_)] = shift;
  }
  if (copied_right) {
    shifts_[at(home + right)] = shift;
  }
  if (copied_down && copied_right) {
    shifts_[at(home + down * stride_ + right)] = shift;
  }
}

// Counts the neighbours of a pixel by ring and phase. A look adds 1 to a field of 64 bits, and fields are emptied
// before they can overflow.
void Reconstruction::look_around(std::int64_t pixel, std::int64_t* around) const {
  const std::uint8_t* centre = shifts_.data() + padded(pixel);
  const std::int32_t* offset = offsets_.data();
  const std::uint64_t field = (std::uint64_t{1} << static_cast<unsigned>(field_bits_)) - 1U;
  const auto fits = static_cast<std::int64_t>(field);
  std::int64_t* found = around + setup_.phases;
  for (std::int64_t r = 1; r <= setup_.r_max; ++r, found += setup_.phases) {
    std::fill_n(found, setup_.phases, 0);
    const std::int64_t end = ring_begin_[at(r + 1)];
    for (std::int64_t n = ring_begin_[at(r)]; n < end;) {
      const std::int64_t stop = std::min(end, n + fits);
      std::uint64_t even = 0;
      std::uint64_t odd = 0;
      for (; n + 2 <= stop; n += 2) {
        even += std::uint64_t{1} << centre[offset[n]];
        odd += std::uint64_t{1} << centre[offset[n + 1]];
      }
      if (n < stop) {
        even += std::uint64_t{1} << centre[offset[n++]];
      }
      std::uint64_t all = even + odd;
      for (int v = 0; v < setup_.phases; ++v, all >>= static_cast<unsigned>(field_bits_)) {
        found[v] += static_cast<std::int64_t>(all & field);
      }
    }
  }
}

void Reconstruction::look(const Pick& pick) {
  look_around(pick.first, moved_.data());
  // Seen from the second pixel the first has changed already: pairs of the two need no case of their own.
  write(pick.first, phase_at(pick.second));
  look_around(pick.second, around_.data());
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
  const std::uint8_t* centre = shifts_.data() + padded(pixel);
  const auto outside = static_cast<std::uint8_t>(setup_.phases * field_bits_);
  return std::ranges::any_of(std::array<std::int64_t, 4>{-stride_, -1, 1, stride_},
                             [&](std::int64_t step) { return centre[step] != *centre && centre[step] != outside; });
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

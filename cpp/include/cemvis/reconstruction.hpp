#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cemvis/image_view.hpp"

namespace cemvis {

namespace annealing {
class Planes;
}  // namespace annealing

// The sums of eight pixels take 4 bits for each phase.
inline constexpr int kMostPhases = 16;

// Which pairs of pixels count, and how pixels to swap are chosen.
struct ReconstructionSetup {
  int phases = 2;  // all levels lie below
  std::int64_t r_max = 1;
  bool periodic = true;
  bool axes = false;              // displacements along rows and columns alone
  bool autocorrelations = false;  // only pairs of one phase have a target
  bool interfaces = false;        // swap pixels that touch another phase
};

struct AnnealingRun {
  std::int64_t accepted = 0;
  std::int64_t worse = 0;  // of these, how many raised the energy
};

// An image of phases whose pair counts follow each swap of two pixels: simulated annealing towards given statistics
// (Yeong and Torquato, doi:10.1103/PhysRevE.57.495).
//   Counts are those of radial_pair_counts: (r_max + 1) x phases (phases + 1) / 2 numbers, phases i <= j at
// j (j + 1) / 2 + i; with `axes`, ring r holds the displacements (0, r) and (r, 0) alone. They are whole numbers and
// stay exact. The energy is a sum over rings r >= 1 and pairs of phases of weight[r] (count / pairs - target)^2, and
// is worked out anew from the counts after each swap: nothing drifts.
//   One object is for one thread at a time.
class Reconstruction {
 public:
  // `target` has the probabilities in the layout of the counts, `weights` r_max + 1 numbers; ring 0 of both is not
  // looked at. Throws std::invalid_argument if a level is not below `phases`, fewer than two phases are there, r_max
  // is not in [1, half the shorter side] (not periodic: the shorter side - 1), or numbers are not finite.
  Reconstruction(const ImageView<std::uint8_t>& image, const ReconstructionSetup& setup, std::span<const double> target,
                 std::span<const double> weights, std::uint64_t seed, int threads);

  Reconstruction(const Reconstruction&) = delete;
  Reconstruction& operator=(const Reconstruction&) = delete;
  Reconstruction(Reconstruction&&) noexcept;
  Reconstruction& operator=(Reconstruction&&) noexcept;
  ~Reconstruction();

  [[nodiscard]] double energy() const { return energy_; }
  [[nodiscard]] std::int64_t pixels() const { return rows_ * cols_; }
  [[nodiscard]] std::span<const std::uint64_t> counts() const { return counts_; }
  [[nodiscard]] std::span<const std::uint64_t> pairs() const { return pairs_; }
  // Displacements that one trial looks at, twice: once for each pixel.
  [[nodiscard]] std::int64_t neighbours() const;

  void copy_image(std::span<std::uint8_t> out) const;

  // Swaps two pixels, numbered in reading order. Throws std::invalid_argument if one lies outside.
  void swap_pixels(std::int64_t first, std::int64_t second);

  // The change of the energy by each of out.size() swaps that are drawn, and not made.
  void sample_changes(std::span<double> out);

  // Draws `trials` swaps, and makes those that lower the energy, and others with probability exp(-change /
  // temperature). The same seed and calls give the same image.
  AnnealingRun anneal(std::int64_t trials, double temperature);

 private:
  struct Pick {
    std::int64_t first = 0;
    std::int64_t second = 0;
  };

  void check(const ImageView<std::uint8_t>& image, std::span<const double> target,
             std::span<const double> weights) const;
  void lay_out(const ImageView<std::uint8_t>& image);
  void count(const ImageView<std::uint8_t>& image, int threads);
  void count_axes(const ImageView<std::uint8_t>& image);
  void take_energy();

  static std::int64_t cell(std::int64_t i, std::int64_t j) {
    return i <= j ? j * (j + 1) / 2 + i : i * (i + 1) / 2 + j;
  }
  [[nodiscard]] int phase_at(std::int64_t pixel) const { return phase_[static_cast<std::size_t>(pixel)]; }
  void write(std::int64_t pixel, int phase);
  void look(const Pick& pick);  // fills moved_; leaves the first pixel with the second's phase
  [[nodiscard]] double change(int a, int b) const;
  void commit(const Pick& pick, int a, int b);

  std::uint64_t random();
  std::int64_t below(std::int64_t count);
  Pick draw();
  std::int64_t draw_other(int phase);
  [[nodiscard]] bool at_interface(std::int64_t pixel) const;

  ReconstructionSetup setup_;
  std::int64_t rows_;
  std::int64_t cols_;
  std::int64_t cells_;
  double energy_ = 0.0;
  std::vector<std::uint8_t> phase_;  // rows x cols
  std::unique_ptr<annealing::Planes> planes_;
  std::vector<std::uint64_t> counts_;
  std::vector<std::uint64_t> pairs_;
  std::vector<double> expected_;      // target x pairs
  std::vector<double> error_;         // counts - expected
  std::vector<double> scale_;         // weight / pairs^2 of each ring
  std::vector<std::int64_t> moved_;   // (r_max + 1) x phases: neighbours of the first pixel less those of the second
  std::vector<std::int64_t> around_;  // those of the second
  std::vector<std::int32_t> place_;   // of each pixel in the list of its phase
  std::vector<std::vector<std::int32_t>> members_;
  std::array<std::uint64_t, 4> random_{};
};

}  // namespace cemvis

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include "cemvis/reconstruction.hpp"
#include "cemvis/two_point.hpp"
#include "check.hpp"

namespace {

using cemvis::Reconstruction;
using cemvis::ReconstructionSetup;

struct Picture {
  std::vector<std::uint8_t> phases;
  std::int64_t rows = 0;
  std::int64_t cols = 0;

  [[nodiscard]] cemvis::ImageView<std::uint8_t> view() const { return {phases.data(), rows, cols, cols, 1}; }
};

Picture noise(std::int64_t rows, std::int64_t cols, unsigned phases) {
  Picture picture{std::vector<std::uint8_t>(static_cast<std::size_t>(rows * cols)), rows, cols};
  std::uint32_t state = 7;
  for (auto& value : picture.phases) {
    state = state * 1664525U + 1013904223U;
    value = static_cast<std::uint8_t>((state >> 16U) % phases);
  }
  return picture;
}

std::vector<double> level_target(const ReconstructionSetup& setup) {
  const int cells = setup.phases * (setup.phases + 1) / 2;
  return std::vector<double>(static_cast<std::size_t>((setup.r_max + 1) * cells), 1.0 / cells);
}

Reconstruction begun(const Picture& picture, const ReconstructionSetup& setup) {
  const std::vector<double> weights(static_cast<std::size_t>(setup.r_max + 1), 1.0);
  return {picture.view(), setup, level_target(setup), weights, 11, 1};
}

// The same setup begun anew from the image as it is has counted everything, and followed nothing.
void check_counts(const Reconstruction& state, Picture picture, const ReconstructionSetup& setup) {
  state.copy_image(picture.phases);
  const Reconstruction fresh = begun(picture, setup);
  CEMVIS_CHECK(std::ranges::equal(state.counts(), fresh.counts()));
  CEMVIS_CHECK(std::ranges::equal(state.pairs(), fresh.pairs()));
  CEMVIS_CHECK(state.energy() == fresh.energy());
}

void test_counts_follow_swaps() {
  for (const int phases : {2, 3, 4, 7, 8, 9, 16}) {
    for (const bool periodic : {true, false}) {
      for (const bool axes : {true, false}) {
        const Picture picture = noise(12, 17, static_cast<unsigned>(phases));
        for (const std::int64_t r_max : {std::int64_t{1}, std::int64_t{6}, std::int64_t{11}}) {
          if (periodic && r_max > 6) {
            continue;
          }
          const ReconstructionSetup setup{phases, r_max, periodic, axes, phases == 3, phases == 7};
          Reconstruction state = begun(picture, setup);
          for (std::int64_t n = 0; n < 40; ++n) {
            state.swap_pixels(n * 53 % state.pixels(), n * 31 % state.pixels());
          }
          check_counts(state, picture, setup);
          for (const double temperature : {1.0, 1e-5, 0.0}) {
            CEMVIS_CHECK(state.anneal(100, temperature).accepted > 0);
            check_counts(state, picture, setup);
          }
        }
      }
    }
  }
}

void test_counts_are_those_of_two_point() {
  const Picture picture = noise(20, 14, 4);
  const ReconstructionSetup setup{4, 7, true};
  const Reconstruction state = begun(picture, setup);
  cemvis::PairRequest request;
  request.image = {picture.phases.data(), {1, 20, 14}, {280, 14, 1}};
  request.periodic = true;
  request.levels = 4;
  std::vector<std::uint64_t> counts(state.counts().size());
  std::vector<std::uint64_t> pairs(state.pairs().size());
  radial_pair_counts(request, 7, cemvis::PairAlgorithm::direct, counts, pairs, 1);
  CEMVIS_CHECK(std::ranges::equal(state.counts(), counts));
  CEMVIS_CHECK(std::ranges::equal(state.pairs(), pairs));
}

void test_foretold_changes_leave_everything_alone() {
  const Picture picture = noise(16, 16, 3);
  const ReconstructionSetup setup{3, 5, true};
  Reconstruction state = begun(picture, setup);
  const double before = state.energy();
  std::vector<double> changes(200);
  state.sample_changes(changes);
  CEMVIS_CHECK(state.energy() == before);
  CEMVIS_CHECK(std::ranges::any_of(changes, [](double change) { return change < 0.0; }));
  check_counts(state, picture, setup);
  Picture now = picture;
  state.copy_image(now.phases);
  CEMVIS_CHECK(now.phases == picture.phases);
}

void test_cold_swaps_never_cost_energy() {
  const Picture picture = noise(24, 24, 2);
  Reconstruction state = begun(picture, {2, 6, true});
  double before = state.energy();
  for (int n = 0; n < 300; ++n) {
    const auto run = state.anneal(1, 0.0);
    CEMVIS_CHECK(run.worse == 0);
    CEMVIS_CHECK(run.accepted == 0 ? state.energy() == before : state.energy() < before);
    before = state.energy();
  }
}

void test_refusals() {
  const Picture picture = noise(12, 12, 2);
  const Picture plain{std::vector<std::uint8_t>(144), 12, 12};
  CEMVIS_CHECK_THROWS(begun(picture, {1, 2, true}), std::invalid_argument);
  CEMVIS_CHECK_THROWS(begun(picture, {17, 2, true}), std::invalid_argument);
  CEMVIS_CHECK_THROWS(begun(picture, {2, 7, true}), std::invalid_argument);
  CEMVIS_CHECK_THROWS(begun(picture, {2, 12, false}), std::invalid_argument);
  CEMVIS_CHECK_THROWS(begun(plain, {2, 2, true}), std::invalid_argument);
  CEMVIS_CHECK_THROWS(begun(noise(12, 12, 3), {2, 2, true}), std::invalid_argument);
  const ReconstructionSetup setup{2, 2, true};
  const std::vector<double> weights(3, 1.0);
  std::vector<double> target = level_target(setup);
  target[4] = std::numeric_limits<double>::quiet_NaN();
  CEMVIS_CHECK_THROWS(Reconstruction(picture.view(), setup, target, weights, 0, 1), std::invalid_argument);
  target.pop_back();
  CEMVIS_CHECK_THROWS(Reconstruction(picture.view(), setup, target, weights, 0, 1), std::invalid_argument);
  Reconstruction state = begun(picture, setup);
  CEMVIS_CHECK_THROWS(state.swap_pixels(0, 144), std::invalid_argument);
  CEMVIS_CHECK_THROWS(state.swap_pixels(-1, 0), std::invalid_argument);
  CEMVIS_CHECK_THROWS(state.anneal(-1, 0.0), std::invalid_argument);
  CEMVIS_CHECK_THROWS(state.anneal(1, std::numeric_limits<double>::infinity()), std::invalid_argument);
  std::vector<std::uint8_t> small(143);
  CEMVIS_CHECK_THROWS(state.copy_image(small), std::invalid_argument);
}

}  // namespace

int main() {
  test_counts_follow_swaps();
  test_counts_are_those_of_two_point();
  test_foretold_changes_leave_everything_alone();
  test_cold_swaps_never_cost_energy();
  test_refusals();
}

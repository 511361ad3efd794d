#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "cemvis/backscatter.hpp"
#include "check.hpp"

namespace {

using cemvis::Backscatter;
using cemvis::ElectronBeam;
using cemvis::ElectronSet;
using cemvis::Simd;
using cemvis::TargetElement;

constexpr std::array<TargetElement, 1> copper{{{29.0, 63.546, 1.0}}};
constexpr std::array<TargetElement, 3> bismuth_alloy{
    {{83.0, 208.98, 32.5}, {49.0, 114.818, 51.0}, {50.0, 118.71, 16.5}}};
constexpr std::int64_t kBins = 64;

Backscatter counted(std::uint64_t first, std::uint64_t count, int threads = 2, Simd level = cemvis::simd_level(),
                    double tilt = 0.0) {
  return backscattered(copper, {5.0, tilt}, {first, count, 7}, kBins, threads, level);
}

bool same(const Backscatter& a, const Backscatter& b) {
  return a.range == b.range && a.electrons == b.electrons && a.backscattered == b.backscattered &&
         a.scatterings == b.scatterings && a.energy == b.energy && a.energies == b.energies && a.depths == b.depths &&
         a.radii == b.radii;
}

std::uint64_t sum(const std::vector<std::uint64_t>& bins) {
  return std::accumulate(bins.begin(), bins.end(), std::uint64_t{0});
}

void threads_and_instructions_make_no_difference() {
  const Backscatter one = counted(0, 9001, 1, Simd::baseline);
  for (const Simd level : {Simd::baseline, Simd::avx2, Simd::avx512}) {
    for (const int threads : {1, 2, 5}) {
      CEMVIS_CHECK(level > cemvis::detected_simd() || same(one, counted(0, 9001, threads, level)));
    }
  }
}

void counts_of_parts_add_up() {
  const Backscatter whole = counted(0, 5000);
  for (const std::uint64_t cut : {1U, 15U, 16U, 17U, 4096U, 4999U}) {
    const Backscatter left = counted(0, cut);
    const Backscatter right = counted(cut, 5000 - cut);
    CEMVIS_CHECK(left.backscattered + right.backscattered == whole.backscattered);
    CEMVIS_CHECK(left.scatterings + right.scatterings == whole.scatterings);
    CEMVIS_CHECK(left.energy + right.energy == whole.energy);
    for (std::size_t i = 0; i < whole.depths.size(); ++i) {
      CEMVIS_CHECK(left.depths[i] + right.depths[i] == whole.depths[i]);
    }
  }
}

void counts_are_of_one_set() {
  const Backscatter found = counted(0, 20000);
  CEMVIS_CHECK(found.electrons == 20000);
  CEMVIS_CHECK(sum(found.energies) == found.backscattered);
  CEMVIS_CHECK(sum(found.depths) == found.backscattered);
  CEMVIS_CHECK(sum(found.radii) == found.backscattered);
  const double eta = static_cast<double>(found.backscattered) / 20000.0;
  CEMVIS_CHECK(eta > 0.31 && eta < 0.36);
  const double mean = static_cast<double>(found.energy) * 0x1p-32 / static_cast<double>(found.backscattered);
  CEMVIS_CHECK(mean > 0.5 && mean < 0.9);
  CEMVIS_CHECK(counted(0, 20000, 2, cemvis::simd_level(), 60.0).backscattered > found.backscattered);
}

void seeds_and_numbers_matter() {
  CEMVIS_CHECK(counted(0, 5000).scatterings != counted(5000, 5000).scatterings);
  const auto other = backscattered(copper, ElectronBeam{5.0, 0.0}, ElectronSet{0, 5000, 8}, kBins, 1);
  CEMVIS_CHECK(counted(0, 5000).scatterings != other.scatterings);
  const std::uint64_t far = std::uint64_t{1} << 33U;  // the number's upper half is used
  CEMVIS_CHECK(counted(far, 5000).scatterings != counted(0, 5000).scatterings);
}

void scale_of_fractions_does_not_matter() {
  std::array<TargetElement, 3> scaled = bismuth_alloy;
  for (TargetElement& element : scaled) {
    element.mass_fraction *= 0.25;  // a power of two: the same quotients to the bit
  }
  const auto one = backscattered(bismuth_alloy, ElectronBeam{5.0, 0.0}, ElectronSet{0, 3000, 1}, kBins, 1);
  const auto other = backscattered(scaled, ElectronBeam{5.0, 0.0}, ElectronSet{0, 3000, 1}, kBins, 1);
  CEMVIS_CHECK(same(one, other));
}

void bad_arguments_are_refused() {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  const auto call = [](std::span<const TargetElement> solid, double energy, double tilt, std::uint64_t count,
                       std::int64_t bins) { return backscattered(solid, {energy, tilt}, {0, count, 0}, bins, 1); };
  for (const double energy : {0.99, 30.01, nan, -1.0}) {
    CEMVIS_CHECK_THROWS(call(copper, energy, 0, 10, 8), std::invalid_argument);
  }
  for (const double tilt : {-1.0, 90.0, nan}) {
    CEMVIS_CHECK_THROWS(call(copper, 5, tilt, 10, 8), std::invalid_argument);
  }
  CEMVIS_CHECK_THROWS(call(copper, 5, 0, 0, 8), std::invalid_argument);
  CEMVIS_CHECK_THROWS(call(copper, 5, 0, (std::uint64_t{1} << 31U) + 1, 8), std::invalid_argument);
  CEMVIS_CHECK_THROWS(call(copper, 5, 0, 10, 0), std::invalid_argument);
  CEMVIS_CHECK_THROWS(call({}, 5, 0, 10, 8), std::invalid_argument);
  const std::array<TargetElement, 3> wrong{{{0.5, 1.0, 1.0}, {1.0, 0.0, 1.0}, {1.0, 1.0, nan}}};
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    CEMVIS_CHECK_THROWS(call(std::span(wrong).subspan(i, 1), 5, 0, 10, 8), std::invalid_argument);
  }
  CEMVIS_CHECK_THROWS(electron_transport(copper, 0.04), std::invalid_argument);
  CEMVIS_CHECK_THROWS(electron_transport(copper, 30.1), std::invalid_argument);
}

void every_element_slows_electrons_down() {
  for (int z = 1; z <= 103; ++z) {
    const std::array<TargetElement, 1> element{{{static_cast<double>(z), 2.5 * z, 1.0}}};
    for (const double energy : {0.05, 0.2, 1.0, 5.0, 30.0}) {
      const auto found = electron_transport(element, energy);
      CEMVIS_CHECK(found.stopping_power > 0.0 && std::isfinite(found.stopping_power));
      CEMVIS_CHECK(found.mean_free_path > 0.0 && found.rutherford_share > 0.0 && found.rutherford_share < 1.0);
    }
  }
}

}  // namespace

int main() {
  threads_and_instructions_make_no_difference();
  counts_of_parts_add_up();
  counts_are_of_one_set();
  seeds_and_numbers_matter();
  scale_of_fractions_does_not_matter();
  bad_arguments_are_refused();
  every_element_slows_electrons_down();
  return 0;
}

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cemvis/simd.hpp"

namespace cemvis {

// One element of a homogeneous solid.
struct TargetElement {
  double atomic_number = 0.0;
  double atomic_weight = 0.0;
  double mass_fraction = 0.0;  // of any scale: only their ratios count
};

// How electrons of one energy fare in a solid.
struct Transport {
  double mean_free_path = 0.0;    // between elastic scatterings, g/cm2
  double rutherford_share = 0.0;  // of the elastic cross-section; the rest scatters evenly into all directions
  double stopping_power = 0.0;    // keV per g/cm2
};

// Elastic scattering by Browning's fit to Mott cross-sections, energy loss by Joy and Luo. Throws std::invalid_argument
// if the solid is empty, a number of it is out of range, or the energy lies outside [0.05, 30] keV.
Transport electron_transport(std::span<const TargetElement> solid, double energy_kev);

struct ElectronBeam {
  double energy_kev = 0.0;  // 1 to 30
  double tilt_deg = 0.0;    // from the surface's normal, 0 to below 90
};

// Which electrons: their numbers and the seed are the counter and the key of their random numbers, so a call for
// [0, n) gives the counts of [0, m) plus those of [m, n).
struct ElectronSet {
  std::uint64_t first = 0;
  std::uint64_t count = 0;  // at most 2^31: sums of energies must fit
  std::uint64_t seed = 0;
};

// All but `range` adds up over calls. Of bins, bin i of n holds the quotient's range [i/n, (i+1)/n), the last 1 itself.
struct Backscatter {
  double range = 0.0;  // g/cm2 to slow down to 0.05 keV, along the path
  std::uint64_t electrons = 0;
  std::uint64_t backscattered = 0;      // left through the surface with 0.05 keV or more
  std::uint64_t scatterings = 0;        // of all paths, as far as they were followed
  std::uint64_t energy = 0;             // sum over the backscattered of their energy / beam energy, in 2^-32
  std::vector<std::uint64_t> energies;  // backscattered by energy / beam energy
  std::vector<std::uint64_t> depths;    // backscattered by the deepest point of their path / (range / 2)
  std::vector<std::uint64_t> radii;     // backscattered by how far from the beam they left / range
};

// Paths of electrons in a half-space of a homogeneous solid, scattering by scattering. Lengths are mass thicknesses:
// the density does not change which electrons come back. A path is followed until it leaves or what is left of its
// range no longer reaches the surface. Any number of threads and any SIMD level give the same bits.
// Throws std::invalid_argument if a number is out of range.
Backscatter backscattered(std::span<const TargetElement> solid, const ElectronBeam& beam, const ElectronSet& electrons,
                          std::int64_t bins, int threads, Simd level = simd_level());

}  // namespace cemvis

#pragma once

// The inner loop of the electron paths, compiled once for each SIMD level, and the tables that it reads.

#include <cstdint>

#include "cemvis/simd.hpp"

namespace cemvis {

// Below this an electron is a secondary one by convention, and the stopping power's formula ends.
inline constexpr double kSlowestKev = 0.05;

// Screening parameter of the Rutherford part times the energy in keV (Browning).
inline constexpr double kScreeningKev = 7.0e-3;

inline constexpr int kKnots = 2048;

// What an electron knows of itself by the share r of its range that is left: knot k lies at r = (k / kKnots)^2.
// NOLINTBEGIN(modernize-avoid-c-arrays,cppcoreguidelines-avoid-c-arrays): std::array's functions are inline, and what
// is compiled for one SIMD level must not call what may be compiled for another.
struct RangeTables {
  double energy[kKnots + 2];  // keV; the last knot twice, for an r of 1 exactly
  double path[kKnots + 2];    // mean free path / range
  double share[kKnots + 2];   // Rutherford's share
};
// NOLINTEND(modernize-avoid-c-arrays,cppcoreguidelines-avoid-c-arrays)

struct Departure {
  double energy = 0.0;  // as it leaves, / beam energy
  double depth = 0.0;   // deepest point / range
  double radius = 0.0;  // from where the beam enters, / range
};

// Paths of electrons [first, first + count), which leave from the surface's origin into direction (tilt_x, 0, tilt_z).
struct PathBlock {
  std::uint64_t seed = 0;
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  double tilt_x = 0.0;
  double tilt_z = 1.0;
};

// Writes those who come back to `departures`, which holds block.count places, in no certain order.
struct PathCounts {
  std::uint64_t backscattered = 0;
  std::uint64_t scatterings = 0;
};
using FollowPaths = PathCounts (*)(const RangeTables& tables, const PathBlock& block, Departure* departures);

namespace baseline {
PathCounts follow_paths(const RangeTables& tables, const PathBlock& block, Departure* departures);
}  // namespace baseline
namespace avx2 {
PathCounts follow_paths(const RangeTables& tables, const PathBlock& block, Departure* departures);
}  // namespace avx2
namespace avx512 {
PathCounts follow_paths(const RangeTables& tables, const PathBlock& block, Departure* departures);
}  // namespace avx512

}  // namespace cemvis

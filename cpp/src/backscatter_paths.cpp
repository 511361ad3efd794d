// Compiled once for each SIMD level, with CEMVIS_SIMD_LEVEL as the namespace; the rules of tiling_rows.cpp hold here.

#include <math.h>  // NOLINT(modernize-deprecated-headers): the functions of cmath are inline

#include <numbers>

#include "backscatter_parts.hpp"

// NOLINTBEGIN(modernize-avoid-c-arrays,cppcoreguidelines-avoid-c-arrays): std::array's functions are inline

namespace cemvis::CEMVIS_SIMD_LEVEL {
namespace {

// Electrons side by side. Each has its own random numbers, so that nothing depends on who its neighbours are. More than
// a vector holds: one vector's divisions fill the other's waits.
constexpr int kLanes = 16;

struct Words {
  std::uint32_t a, b, c, d;
};

// Philox4x32-10 (Salmon et al. 2011): four random words of a counter and a key.
inline Words philox(Words counter, std::uint32_t key_low, std::uint32_t key_high) {
#ifdef __clang__
#pragma clang loop unroll(full)
#elif defined(__GNUC__)
#pragma GCC unroll 10
#endif
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t left = std::uint64_t{counter.a} * 0xD2511F53U;
    const std::uint64_t right = std::uint64_t{counter.c} * 0xCD9E8D57U;
    counter = {static_cast<std::uint32_t>(right >> 32U) ^ counter.b ^ key_low, static_cast<std::uint32_t>(right),
               static_cast<std::uint32_t>(left >> 32U) ^ counter.d ^ key_high, static_cast<std::uint32_t>(left)};
    key_low += 0x9E3779B9U;
    key_high += 0xBB67AE85U;
  }
  return counter;
}

constexpr std::uint64_t kExponentOf52 = 0x4330000000000000U;  // a whole number below 2^52 in the bits of 2^52 + number
constexpr double kTwo52 = 0x1p52;

inline double whole(std::uint64_t number) { return __builtin_bit_cast(double, number | kExponentOf52) - kTwo52; }

// -ln((word + 1) / 2^32) to 1e-12, by arithmetic alone: a library's logarithm differs from platform to platform.
inline double minus_log(std::uint32_t word) {
  const std::uint64_t bits = __builtin_bit_cast(std::uint64_t, whole(std::uint64_t{word} + 1));
  const std::uint64_t above = (bits - 0x3FE6A09E667F3BCDU) >> 52U;  // so that the mantissa is in [sqrt(1/2), sqrt(2))
  const double mantissa = __builtin_bit_cast(double, bits - (above << 52U));
  const double s = (mantissa - 1.0) / (mantissa + 1.0);
  const double z = s * s;
  const double series =
      1.0 + z * (1.0 / 3 + z * (1.0 / 5 + z * (1.0 / 7 + z * (1.0 / 9 + z * (1.0 / 11 + z * (1.0 / 13))))));
  return (32.0 - whole(above)) * std::numbers::ln2 - 2.0 * s * series;
}

struct Turn {
  double cosine, sine;
};

// A direction in the plane: two bits choose a quarter, the others a place on its arc, to 1e-13.
inline Turn turn(std::uint32_t word) {
  const double b = (whole(word >> 2U) * 0x1p-30 + (0x1p-31 - 0.5)) * 1.5707963267948966;
  const double z = b * b;
  const double sine =
      b * (1.0 - z * (1.0 / 6 - z * (1.0 / 120 - z * (1.0 / 5040 - z * (1.0 / 362880 - z * (1.0 / 39916800))))));
  const double cosine =
      1.0 - z * (1.0 / 2 -
                 z * (1.0 / 24 - z * (1.0 / 720 - z * (1.0 / 40320 - z * (1.0 / 3628800 - z * (1.0 / 479001600))))));
  const double first = (word & 1U) != 0 ? sine : cosine;
  const double second = (word & 1U) != 0 ? cosine : sine;
  return {(word & 2U) != 0 ? -first : first, (word & 2U) != 0 ? -second : second};
}

// What lies between two knots of a table.
inline double between(const double* table, std::int32_t knot, double part) {
  return table[knot] + part * (table[knot + 1] - table[knot]);
}

struct Place {
  std::int32_t knot;
  double part;
};
inline Place place_of(double left) {
  const double at = sqrt(left) * kKnots;
  const auto knot = static_cast<std::int32_t>(at);
  return {knot, at - static_cast<double>(knot)};
}

struct Lanes {
  double x[kLanes], y[kLanes], z[kLanes];     // of the last scattering, / range; z is the depth
  double ux[kLanes], uy[kLanes], uz[kLanes];  // direction from there, of length 1
  double left[kLanes];                        // share of the range
  double path[kLanes];                        // mean free path / range
  double deepest[kLanes];
  std::uint32_t low[kLanes], high[kLanes];  // number of the electron
  std::uint32_t step[kLanes];
  bool counts[kLanes];  // false once all electrons of the block are on their way
};

struct LaneWords {
  std::uint32_t a[kLanes], b[kLanes], c[kLanes];
};

void draw(Lanes& lanes, std::uint64_t seed, LaneWords& words) {
  const auto key_low = static_cast<std::uint32_t>(seed);
  const auto key_high = static_cast<std::uint32_t>(seed >> 32U);
  for (int l = 0; l < kLanes; ++l) {
    const Words drawn = philox({lanes.low[l], lanes.high[l], lanes.step[l], 0}, key_low, key_high);
    words.a[l] = drawn.a;
    words.b[l] = drawn.b;
    words.c[l] = drawn.c;
  }
  for (std::uint32_t& step : lanes.step) {
    ++step;
  }
}

// The free flights' lengths. Returns whether a path ends: at the surface, or where no way leads back to it.
bool fly(const Lanes& lanes, const LaneWords& words, double* length, std::uint64_t* ended) {
  std::uint64_t any = 0;
  for (int l = 0; l < kLanes; ++l) {
    length[l] = lanes.path[l] * minus_log(words.a[l]);
    const double depth = lanes.z[l] + length[l] * lanes.uz[l];
    const double left = lanes.left[l] - length[l];
    ended[l] = (depth < 0.0 ? 1U : 0U) | (left <= depth ? 1U : 0U);
    any |= ended[l];
  }
  return any != 0;
}

void scatter(const RangeTables& tables, const LaneWords& words, const double* length, Lanes& lanes) {
  for (int l = 0; l < kLanes; ++l) {
    const double x = lanes.x[l] + length[l] * lanes.ux[l];
    const double y = lanes.y[l] + length[l] * lanes.uy[l];
    const double z = lanes.z[l] + length[l] * lanes.uz[l];
    const double rest = lanes.left[l] - length[l];
    const double left = rest > 0.0 ? rest : 0.0;  // of an ended path, about to be replaced
    lanes.x[l] = x;
    lanes.y[l] = y;
    lanes.z[l] = z;
    lanes.left[l] = left;
    lanes.deepest[l] = z > lanes.deepest[l] ? z : lanes.deepest[l];
    const Place at = place_of(left);
    lanes.path[l] = between(tables.path, at.knot, at.part);
    const double energy = between(tables.energy, at.knot, at.part);
    const double share = between(tables.share, at.knot, at.part);
    // The word that chooses the kind of scattering is, within its kind, again a uniform number.
    const double u = (whole(words.b[l]) + 0.5) * 0x1p-32;
    const bool even = u >= share;
    const double q = (even ? u - share : u) / (even ? 1.0 - share : share);
    const double screened = 2.0 * kScreeningKev * q / (energy * (1.0 - q) + kScreeningKev);
    const double less = even ? 2.0 * q : screened;  // 1 - cosine of the angle
    const double cosine = 1.0 - less;
    const double square = less * (2.0 - less);
    const double sine = sqrt(square > 0.0 ? square : 0.0);
    const Turn around = turn(words.c[l]);
    const double p = sine * around.cosine;
    const double q2 = sine * around.sine;
    // Two directions across the old one without a case that divides by zero (Duff et al. 2017).
    const double ux = lanes.ux[l];
    const double uy = lanes.uy[l];
    const double uz = lanes.uz[l];
    const double sign = uz < 0.0 ? -1.0 : 1.0;
    const double a = -1.0 / (sign + uz);
    const double b = ux * uy * a;
    lanes.ux[l] = cosine * ux + p * (1.0 + sign * ux * ux * a) + q2 * b;
    lanes.uy[l] = cosine * uy + p * (sign * b) + q2 * (sign + uy * uy * a);
    lanes.uz[l] = cosine * uz - p * (sign * ux) - q2 * uy;
  }
}

void start(const RangeTables& tables, const PathBlock& block, std::uint64_t number, Lanes& lanes, int l) {
  const std::uint64_t electron = block.first + number;
  lanes.x[l] = lanes.y[l] = lanes.z[l] = 0.0;
  lanes.ux[l] = block.tilt_x;
  lanes.uy[l] = 0.0;
  lanes.uz[l] = block.tilt_z;
  lanes.left[l] = 1.0;
  lanes.path[l] = tables.path[kKnots];
  lanes.deepest[l] = 0.0;
  lanes.low[l] = static_cast<std::uint32_t>(electron);
  lanes.high[l] = static_cast<std::uint32_t>(electron >> 32U);
  lanes.step[l] = 0;
  lanes.counts[l] = number < block.count;
}

// Whether an electron whose path ends on its flight leaves with more than the slowest energy, and how.
bool leaves(const RangeTables& tables, const Lanes& lanes, int l, double length, Departure& departure) {
  const double uz = lanes.uz[l];
  if (lanes.z[l] + length * uz >= 0.0) {
    return false;
  }
  const double way = lanes.z[l] / -uz;
  const double left = lanes.left[l] - way;
  if (left <= 0.0) {
    return false;
  }
  const Place at = place_of(left);
  const double x = lanes.x[l] + way * lanes.ux[l];
  const double y = lanes.y[l] + way * lanes.uy[l];
  departure = {between(tables.energy, at.knot, at.part) / tables.energy[kKnots], lanes.deepest[l], sqrt(x * x + y * y)};
  return true;
}

// What changes while a block's electrons are followed.
struct Progress {
  PathCounts counts;
  std::uint64_t next = 0;       // electron to start
  std::uint64_t under_way = 0;  // electrons that have not ended, those to come included
};

void note_departures(const RangeTables& tables, const Lanes& lanes, const double* length, const std::uint64_t* ended,
                     Departure* departures, PathCounts& counts) {
  for (int l = 0; l < kLanes; ++l) {
    if (ended[l] != 0 && lanes.counts[l] && leaves(tables, lanes, l, length[l], departures[counts.backscattered])) {
      ++counts.backscattered;
    }
  }
}

void replace(const RangeTables& tables, const PathBlock& block, const std::uint64_t* ended, Lanes& lanes,
             Progress& progress) {
  for (int l = 0; l < kLanes; ++l) {
    if (ended[l] == 0) {
      continue;
    }
    if (lanes.counts[l]) {
      progress.counts.scatterings += lanes.step[l] - 1;  // the last flight ends without one
      --progress.under_way;
    }
    start(tables, block, progress.next++, lanes, l);
  }
}

}  // namespace

PathCounts follow_paths(const RangeTables& tables, const PathBlock& block, Departure* departures) {
  Lanes lanes{};
  LaneWords words{};
  double length[kLanes];
  std::uint64_t ended[kLanes];
  Progress progress;
  progress.under_way = block.count;
  for (int l = 0; l < kLanes; ++l) {
    start(tables, block, progress.next++, lanes, l);
  }
  while (progress.under_way > 0) {
    draw(lanes, block.seed, words);
    const bool any = fly(lanes, words, length, ended);
    if (any) {
      note_departures(tables, lanes, length, ended, departures, progress.counts);
    }
    scatter(tables, words, length, lanes);
    if (any) {
      replace(tables, block, ended, lanes, progress);
    }
  }
  return progress.counts;
}

}  // namespace cemvis::CEMVIS_SIMD_LEVEL

// NOLINTEND(modernize-avoid-c-arrays,cppcoreguidelines-avoid-c-arrays)

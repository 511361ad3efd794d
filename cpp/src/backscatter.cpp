#include "cemvis/backscatter.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <mutex>
#include <numbers>
#include <stdexcept>

#include "backscatter_parts.hpp"
#include "backscatter_tables.hpp"
#include "cemvis/parallel.hpp"

namespace cemvis {
namespace {

// Large enough that the last electrons of a block, with lanes idle beside them, cost little; small enough to share out.
constexpr std::uint64_t kBlock = 4096;

FollowPaths follow_paths_of(Simd level) {
#ifdef CEMVIS_X86_SIMD
  switch (level) {
    case Simd::avx512:
      return avx512::follow_paths;
    case Simd::avx2:
      return avx2::follow_paths;
    case Simd::baseline:
      break;
  }
#endif
  (void)level;
  return baseline::follow_paths;
}

void add(std::vector<std::uint64_t>& bins, double quotient) {
  const auto bin = static_cast<std::size_t>(quotient * static_cast<double>(bins.size()));
  ++bins[std::min(bin, bins.size() - 1)];
}

Backscatter empty_counts(std::int64_t bins) {
  Backscatter counts;
  for (std::vector<std::uint64_t>* part : {&counts.energies, &counts.depths, &counts.radii}) {
    part->resize(static_cast<std::size_t>(bins));
  }
  return counts;
}

void add(Backscatter& to, const Backscatter& from) {
  to.electrons += from.electrons;
  to.backscattered += from.backscattered;
  to.scatterings += from.scatterings;
  to.energy += from.energy;
  for (std::size_t i = 0; i < to.energies.size(); ++i) {
    to.energies[i] += from.energies[i];
    to.depths[i] += from.depths[i];
    to.radii[i] += from.radii[i];
  }
}

bool lies_between(double value, double low, double high) { return value >= low && value <= high; }  // no NaN does

void check(const ElectronBeam& beam, const ElectronSet& electrons, std::int64_t bins) {
  if (!lies_between(beam.energy_kev, 1.0, 30.0)) {
    throw std::invalid_argument("beam energy must be from 1 to 30 keV");
  }
  if (!lies_between(beam.tilt_deg, 0.0, 90.0) || beam.tilt_deg == 90.0) {
    throw std::invalid_argument("tilt must be at least 0 and below 90 degrees");
  }
  constexpr std::uint64_t most = std::uint64_t{1} << 31U;
  if (electrons.count < 1 || electrons.count > most) {
    throw std::invalid_argument("electrons must be from 1 to 2147483648");
  }
  // Some numbers past the last one are drawn, and thrown away, while a block ends.
  if (electrons.first > std::numeric_limits<std::uint64_t>::max() - 2 * most) {
    throw std::invalid_argument("the first electron's number must be below 2^64 - 2^32");
  }
  if (bins < 1 || bins > 65536) {
    throw std::invalid_argument("bins must be from 1 to 65536");
  }
}

}  // namespace

Backscatter backscattered(std::span<const TargetElement> solid, const ElectronBeam& beam, const ElectronSet& electrons,
                          std::int64_t bins, int threads, Simd level) {
  check_solid(solid);
  check(beam, electrons, bins);
  RangeTables tables{};
  Backscatter total = empty_counts(bins);
  total.range = fill_tables(solid, beam.energy_kev, tables);
  const double tilt = beam.tilt_deg * (std::numbers::pi / 180.0);
  const FollowPaths follow = follow_paths_of(level);
  std::mutex total_lock;
  const auto blocks = static_cast<std::int64_t>((electrons.count + kBlock - 1) / kBlock);
  parallel_for(blocks, threads, [&](std::int64_t index) {
    const std::uint64_t begin = static_cast<std::uint64_t>(index) * kBlock;
    const PathBlock block{electrons.seed, electrons.first + begin, std::min(kBlock, electrons.count - begin),
                          std::sin(tilt), std::cos(tilt)};
    std::vector<Departure> departures(kBlock);
    const PathCounts found = follow(tables, block, departures.data());
    Backscatter counts = empty_counts(bins);
    counts.electrons = block.count;
    counts.backscattered = found.backscattered;
    counts.scatterings = found.scatterings;
    for (std::size_t i = 0; i < found.backscattered; ++i) {
      counts.energy += static_cast<std::uint64_t>(departures[i].energy * 0x1p32);
      add(counts.energies, departures[i].energy);
      add(counts.depths, 2.0 * departures[i].depth);
      add(counts.radii, departures[i].radius);
    }
    const std::scoped_lock hold(total_lock);
    add(total, counts);  // of whole numbers: the order of the blocks makes no difference
  });
  return total;
}

}  // namespace cemvis

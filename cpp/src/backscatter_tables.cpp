#include "backscatter_tables.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <vector>

namespace cemvis {
namespace {

constexpr double kAvogadro = 6.02214076e23;
constexpr double kFastestKev = 30.0;

// No NaN does or is.
bool lies_between(double value, double low, double high) { return value >= low && value <= high; }
bool is_positive(double value) { return value > 0.0 && std::isfinite(value); }

// Browning's fit to the total elastic Mott cross-section, cm2.
double cross_section(double z, double e) {
  const double z17 = std::pow(z, 1.7);
  const double root = std::sqrt(e);
  return 3.0e-18 * z17 / (e + 0.005 * z17 * root + 0.0007 * z * z / root);
}

// Browning's ratio of the Rutherford part to the even one, as a share of both.
double rutherford_share(double z, double e) {
  const double ratio = 300.0 * std::pow(e, 1.0 - z / 2000.0) / z + z * z * z / (3.0e5 * e);
  return ratio / (1.0 + ratio);
}

// Mean ionisation potential, keV: Berger and Seltzer, with the usual 11.5 eV x Z below aluminium.
double ionisation(double z) { return (z < 13.0 ? 11.5 * z : 9.76 * z + 58.5 * std::pow(z, -0.19)) * 1e-3; }

double stopping_power(std::span<const TargetElement> solid, double total, double e) {
  double sum = 0.0;
  for (const TargetElement& element : solid) {
    const double z = element.atomic_number;
    const double j = ionisation(z);
    const double k = 0.731 + 0.0688 * std::log10(z);
    sum += element.mass_fraction / total * z / element.atomic_weight * std::log(1.166 * (e + k * j) / j);
  }
  return 78500.0 / e * sum;
}

double total_of(std::span<const TargetElement> solid) {
  double total = 0.0;
  for (const TargetElement& element : solid) {
    total += element.mass_fraction;
  }
  return total;
}

Transport transport(std::span<const TargetElement> solid, double total, double e) {
  double all = 0.0;
  double rutherford = 0.0;
  for (const TargetElement& element : solid) {
    const double atoms = kAvogadro * element.mass_fraction / total / element.atomic_weight;
    const double part = atoms * cross_section(element.atomic_number, e);
    all += part;
    rutherford += part * rutherford_share(element.atomic_number, e);
  }
  return {1.0 / all, rutherford / all, stopping_power(solid, total, e)};
}

struct Slowing {
  std::vector<double> energy;  // rising
  std::vector<double> range;   // left at that energy, g/cm2
};

// Simpson's rule over the logarithm of the energy.
Slowing slowing_down(std::span<const TargetElement> solid, double total, double energy_kev) {
  constexpr int count = 4096;
  const double first = std::log(kSlowestKev);
  const double step = (std::log(energy_kev) - first) / count;
  const auto per_log = [&](double at) {
    const double e = std::exp(at);
    return e / stopping_power(solid, total, e);
  };
  Slowing found;
  found.energy.reserve(count + 1);
  found.range.reserve(count + 1);
  double range = 0.0;
  double before = per_log(first);
  found.energy.push_back(kSlowestKev);
  found.range.push_back(0.0);
  for (int i = 1; i <= count; ++i) {
    const double at = first + step * i;
    const double here = per_log(at);
    range += step / 6.0 * (before + 4.0 * per_log(at - 0.5 * step) + here);
    before = here;
    found.energy.push_back(i == count ? energy_kev : std::exp(at));
    found.range.push_back(range);
  }
  return found;
}

}  // namespace

void check_solid(std::span<const TargetElement> solid) {
  if (solid.empty()) {
    throw std::invalid_argument("a solid must have at least one element");
  }
  for (const TargetElement& element : solid) {
    if (!lies_between(element.atomic_number, 1.0, 103.0)) {
      throw std::invalid_argument("atomic numbers must be from 1 to 103");
    }
    if (!is_positive(element.atomic_weight) || !is_positive(element.mass_fraction)) {
      throw std::invalid_argument("atomic weights and mass fractions must be finite and above 0");
    }
  }
  if (!std::isfinite(total_of(solid))) {
    throw std::invalid_argument("mass fractions must have a finite sum");
  }
}

double fill_tables(std::span<const TargetElement> solid, double energy_kev, RangeTables& tables) {
  const double total = total_of(solid);
  const Slowing slowing = slowing_down(solid, total, energy_kev);
  const double range = slowing.range.back();
  std::size_t above = 1;
  for (std::size_t k = 0; k <= kKnots; ++k) {
    const double share = static_cast<double>(k) / kKnots;
    const double left = share * share * range;
    while (above + 1 < slowing.range.size() && slowing.range[above] < left) {
      ++above;
    }
    const double low = slowing.range[above - 1];
    const double part = std::min((left - low) / (slowing.range[above] - low), 1.0);
    const double energy = slowing.energy[above - 1] + part * (slowing.energy[above] - slowing.energy[above - 1]);
    const Transport found = transport(solid, total, energy);
    tables.energy[k] = energy;
    tables.path[k] = found.mean_free_path / range;
    tables.share[k] = found.rutherford_share;
  }
  tables.energy[kKnots + 1] = tables.energy[kKnots];
  tables.path[kKnots + 1] = tables.path[kKnots];
  tables.share[kKnots + 1] = tables.share[kKnots];
  return range;
}

Transport electron_transport(std::span<const TargetElement> solid, double energy_kev) {
  check_solid(solid);
  if (!lies_between(energy_kev, kSlowestKev, kFastestKev)) {
    throw std::invalid_argument("energy must be from 0.05 to 30 keV");
  }
  return transport(solid, total_of(solid), energy_kev);
}

}  // namespace cemvis

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "bindings.hpp"
#include "cemvis/backscatter.hpp"
#include "views.hpp"

namespace py = pybind11;

namespace {

using Numbers = AdjacentArray<double>;
using Counts = AdjacentArray<std::uint64_t>;

std::vector<cemvis::TargetElement> solid_of(const Numbers& numbers, const Numbers& weights, const Numbers& fractions) {
  if (weights.size() != numbers.size() || fractions.size() != numbers.size()) {
    throw std::invalid_argument("numbers, weights and mass_fractions must have one length");
  }
  std::vector<cemvis::TargetElement> solid;
  solid.reserve(static_cast<std::size_t>(numbers.size()));
  for (py::ssize_t i = 0; i < numbers.size(); ++i) {
    solid.push_back({numbers.data()[i], weights.data()[i], fractions.data()[i]});
  }
  return solid;
}

void transport(const Numbers& numbers, const Numbers& weights, const Numbers& fractions, const Numbers& energies,
               Numbers out) {
  const auto solid = solid_of(numbers, weights, fractions);
  const auto to = output_view(out);
  if (out.size() != 3 * energies.size()) {
    throw std::invalid_argument("out must hold three numbers for each energy");
  }
  for (py::ssize_t i = 0; i < energies.size(); ++i) {
    const cemvis::Transport found = cemvis::electron_transport(solid, energies.data()[i]);
    const auto at = to.subspan(static_cast<std::size_t>(3 * i), 3);
    at[0] = found.mean_free_path;
    at[1] = found.rutherford_share;
    at[2] = found.stopping_power;
  }
}

double count(const Numbers& numbers, const Numbers& weights, const Numbers& fractions, double energy_kev,
             double tilt_deg, std::uint64_t first, std::uint64_t electrons, std::uint64_t seed, Counts counts,
             Counts energies, Counts depths, Counts radii, int threads) {
  const auto solid = solid_of(numbers, weights, fractions);
  if (counts.size() != 4 || depths.size() != energies.size() || radii.size() != energies.size()) {
    throw std::invalid_argument(
        "counts must hold 4 numbers, and energies, depths and radii as many bins as each other");
  }
  const auto bins = static_cast<std::int64_t>(energies.size());
  const auto totals = output_view(counts);
  const auto by_energy = output_view(energies);
  const auto by_depth = output_view(depths);
  const auto by_radius = output_view(radii);
  const py::gil_scoped_release release;
  const auto found = backscattered(solid, {energy_kev, tilt_deg}, {first, electrons, seed}, bins, threads);
  totals[0] = found.electrons;
  totals[1] = found.backscattered;
  totals[2] = found.scatterings;
  totals[3] = found.energy;
  std::ranges::copy(found.energies, by_energy.begin());
  std::ranges::copy(found.depths, by_depth.begin());
  std::ranges::copy(found.radii, by_radius.begin());
  return found.range;
}

}  // namespace

void bind_backscatter(py::module_& m) {
  using py::arg;
  m.def("electron_transport", &transport, arg("numbers").noconvert(), arg("weights").noconvert(),
        arg("mass_fractions").noconvert(), arg("energies_kev").noconvert(), arg("out").noconvert());
  m.def("backscattered", &count, arg("numbers").noconvert(), arg("weights").noconvert(),
        arg("mass_fractions").noconvert(), arg("energy_kev"), arg("tilt_deg"), arg("first"), arg("electrons"),
        arg("seed"), arg("counts").noconvert(), arg("energies").noconvert(), arg("depths").noconvert(),
        arg("radii").noconvert(), arg("threads"));
}

#include <algorithm>
#include <cstdint>

#include "bindings.hpp"
#include "cemvis/reconstruction.hpp"
#include "views.hpp"

namespace py = pybind11;

namespace {

using cemvis::Reconstruction;
using Phases = py::array_t<std::uint8_t, 0>;
using Numbers = AdjacentArray<double>;
using Counts = AdjacentArray<std::uint64_t>;

Reconstruction begin(const Phases& image, int phases, std::int64_t r_max, bool periodic, bool axes,
                     bool autocorrelations, bool interfaces, const Numbers& target, const Numbers& weights,
                     std::uint64_t seed, int threads) {
  const cemvis::ReconstructionSetup setup{phases, r_max, periodic, axes, autocorrelations, interfaces};
  const auto view = image_view(image);
  const std::span wanted{target.data(), static_cast<std::size_t>(target.size())};
  const std::span weighed{weights.data(), static_cast<std::size_t>(weights.size())};
  const py::gil_scoped_release release;
  return {view, setup, wanted, weighed, seed, threads};
}

void read_state(const Reconstruction& self, AdjacentArray<std::uint8_t> image, Counts counts, Counts pairs) {
  self.copy_image(output_view(image));
  const auto to = output_view(counts);
  const auto totals = output_view(pairs);
  if (to.size() != self.counts().size() || totals.size() != self.pairs().size()) {
    throw std::invalid_argument("counts and pairs must have as many numbers as the reconstruction");
  }
  std::ranges::copy(self.counts(), to.begin());
  std::ranges::copy(self.pairs(), totals.begin());
}

py::tuple annealed(Reconstruction& self, std::int64_t trials, double temperature) {
  cemvis::AnnealingRun run;
  {
    const py::gil_scoped_release release;
    run = self.anneal(trials, temperature);
  }
  return py::make_tuple(run.accepted, run.worse);
}

void sampled(Reconstruction& self, Numbers out) {
  const auto to = output_view(out);
  const py::gil_scoped_release release;
  self.sample_changes(to);
}

}  // namespace

void bind_reconstruction(py::module_& m) {
  using py::arg;
  py::class_<Reconstruction>(m, "Reconstruction")
      .def(py::init(&begin), arg("image").noconvert(), arg("phases"), arg("r_max"), arg("periodic"), arg("axes"),
           arg("autocorrelations"), arg("interfaces"), arg("target").noconvert(), arg("weights").noconvert(),
           arg("seed"), arg("threads"))
      .def("energy", &Reconstruction::energy)
      .def("neighbours", &Reconstruction::neighbours)
      .def("read", &read_state, arg("image").noconvert(), arg("counts").noconvert(), arg("pairs").noconvert())
      .def("swap", &Reconstruction::swap_pixels, arg("first"), arg("second"))
      .def("sample_changes", &sampled, arg("out").noconvert())
      .def("anneal", &annealed, arg("trials"), arg("temperature"));
}

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "bindings.hpp"
#include "cemvis/annealing.hpp"
#include "views.hpp"

namespace py = pybind11;

namespace {

using Weights = py::array_t<std::int64_t, 0>;
using Orders = AdjacentArray<std::int32_t>;

py::list anneal(const Weights& weights, Orders orders, const AdjacentArray<double>& heats,
                const AdjacentArray<std::uint64_t>& seeds, std::int64_t moves, int threads) {
  if (heats.size() != seeds.size()) {
    throw std::invalid_argument("heats and seeds must have a number for each run");
  }
  std::vector<cemvis::PathRun> runs(static_cast<std::size_t>(heats.size()));
  for (std::size_t n = 0; n < runs.size(); ++n) {
    runs[n].heat = heats.data()[n];
    runs[n].seed = seeds.data()[n];
  }
  const auto to = output_view(orders);
  const auto view = image_view(weights);
  {
    const py::gil_scoped_release release;
    anneal_paths(view, to, runs, moves, threads);
  }
  py::list told;
  for (const auto& run : runs) {
    told.append(py::make_tuple(run.start_cost, run.cost, run.accepted));
  }
  return told;
}

std::int64_t cost(const Weights& weights, const Orders& order) {
  return path_cost(image_view(weights), {order.data(), static_cast<std::size_t>(order.size())});
}

}  // namespace

void bind_annealing(py::module_& m) {
  using py::arg;
  m.def("anneal_paths", &anneal, arg("weights").noconvert(), arg("orders").noconvert(), arg("heats").noconvert(),
        arg("seeds").noconvert(), arg("moves"), arg("threads"));
  m.def("path_cost", &cost, arg("weights").noconvert(), arg("order").noconvert());
}

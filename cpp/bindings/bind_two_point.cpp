#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "bindings.hpp"
#include "cemvis/two_point.hpp"
#include "views.hpp"

namespace py = pybind11;

namespace {

using Levels = py::array_t<std::uint8_t, 0>;
using Counts = AdjacentArray<std::uint64_t>;
using Core = std::pair<std::int64_t, std::int64_t>;

cemvis::LevelView level_view(const py::object& array) {
  if (array.is_none()) {
    return {};
  }
  if (!py::isinstance<Levels>(array)) {
    throw py::type_error("images and masks must be uint8");
  }
  const auto levels = py::reinterpret_borrow<Levels>(array);
  if (levels.ndim() != 2 && levels.ndim() != 3) {
    throw std::invalid_argument("images and masks must have 2 or 3 dimensions");
  }
  cemvis::LevelView view{levels.data(), {1, 1, 1}, {0, 0, 0}};
  for (py::ssize_t axis = 0; axis < levels.ndim(); ++axis) {
    const auto at = static_cast<std::size_t>(axis + 3 - levels.ndim());
    view.shape[at] = levels.shape(axis);
    view.strides[at] = levels.strides(axis);
  }
  return view;
}

cemvis::PairRequest request_of(const py::object& image, const py::object& mask, const py::object& other,
                               const py::object& other_mask, bool periodic, Core core, int levels, bool differences) {
  return {level_view(image),
          level_view(mask),
          level_view(other),
          level_view(other_mask),
          periodic,
          core.first,
          core.second,
          levels,
          differences ? cemvis::PairStatistic::differences : cemvis::PairStatistic::levels};
}

std::string radial(const py::object& image, const py::object& mask, const py::object& other,
                   const py::object& other_mask, bool periodic, Core core, int levels, bool differences,
                   std::int64_t r_max, const std::string& algorithm, Counts counts, Counts pairs, int threads) {
  const auto request = request_of(image, mask, other, other_mask, periodic, core, levels, differences);
  const auto by = cemvis::pair_algorithm_named(algorithm);
  const std::pair to{output_view(counts), output_view(pairs)};
  const py::gil_scoped_release release;
  return cemvis::pair_algorithm_name(cemvis::radial_pair_counts(request, r_max, by, to.first, to.second, threads));
}

void directional(const py::object& image, const py::object& mask, const py::object& other, const py::object& other_mask,
                 bool periodic, Core core, int levels, bool differences, std::pair<std::int64_t, std::int64_t> reach,
                 Counts counts, Counts pairs, int threads) {
  const auto request = request_of(image, mask, other, other_mask, periodic, core, levels, differences);
  const std::pair to{output_view(counts), output_view(pairs)};
  const py::gil_scoped_release release;
  cemvis::directional_pair_counts(request, reach.first, reach.second, to.first, to.second, threads);
}

py::tuple planned(const py::object& image, const py::object& mask, const py::object& other,
                  const py::object& other_mask, bool periodic, Core core, int levels, bool differences,
                  std::int64_t r_max, int threads) {
  const auto request = request_of(image, mask, other, other_mask, periodic, core, levels, differences);
  const auto plan = cemvis::plan_radial_pairs(request, r_max, threads);
  return py::make_tuple(cemvis::pair_algorithm_name(plan.chosen), plan.direct_s, plan.fourier_s, plan.enumeration_s);
}

}  // namespace

void bind_two_point(py::module_& m) {
  using py::arg;
  m.def("radial_pair_counts", &radial, arg("image"), arg("mask"), arg("other"), arg("other_mask"), arg("periodic"),
        arg("core"), arg("levels"), arg("differences"), arg("r_max"), arg("algorithm"), arg("counts").noconvert(),
        arg("pairs").noconvert(), arg("threads"));
  m.def("directional_pair_counts", &directional, arg("image"), arg("mask"), arg("other"), arg("other_mask"),
        arg("periodic"), arg("core"), arg("levels"), arg("differences"), arg("reach"), arg("counts").noconvert(),
        arg("pairs").noconvert(), arg("threads"));
  m.def("plan_radial_pairs", &planned, arg("image"), arg("mask"), arg("other"), arg("other_mask"), arg("periodic"),
        arg("core"), arg("levels"), arg("differences"), arg("r_max"), arg("threads"));
}

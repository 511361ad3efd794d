#include <cstdint>
#include <type_traits>

#include "bindings.hpp"
#include "cemvis/difference_matrix.hpp"
#include "views.hpp"

namespace py = pybind11;

namespace {

template <class T>
void add(const py::array& maps, const py::object& others, const py::array& out, int threads) {
  using Maps = py::array_t<T, 0>;
  using Sum = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;
  if (!py::isinstance<AdjacentArray<Sum>>(out)) {
    throw py::type_error("out must be uint64 for whole numbers and float64 for others, in C order");
  }
  auto sums = py::reinterpret_borrow<AdjacentArray<Sum>>(out);
  const auto to = output_view(sums);
  const auto from = image_view(py::reinterpret_borrow<Maps>(maps));
  if (others.is_none()) {
    const py::gil_scoped_release release;
    cemvis::add_differences(from, to, threads);
    return;
  }
  if (!py::isinstance<Maps>(others)) {
    throw py::type_error("maps that are compared must have one dtype");
  }
  const auto against = image_view(py::reinterpret_borrow<Maps>(others));
  const py::gil_scoped_release release;
  cemvis::add_differences(from, against, to, threads);
}

void add_differences(const py::array& maps, const py::object& others, const py::array& out, int threads) {
  if (py::isinstance<py::array_t<std::uint8_t, 0>>(maps)) {
    add<std::uint8_t>(maps, others, out, threads);
  } else if (py::isinstance<py::array_t<std::uint16_t, 0>>(maps)) {
    add<std::uint16_t>(maps, others, out, threads);
  } else if (py::isinstance<py::array_t<float, 0>>(maps)) {
    add<float>(maps, others, out, threads);
  } else if (py::isinstance<py::array_t<double, 0>>(maps)) {
    add<double>(maps, others, out, threads);
  } else {
    throw py::type_error("maps must be native uint8, uint16, float32 or float64");
  }
}

}  // namespace

void bind_difference_matrix(py::module_& m) {
  using py::arg;
  m.def("add_differences", &add_differences, arg("maps"), arg("others"), arg("out"), arg("threads"));
}

#include <cstdint>
#include <stdexcept>

#include "bindings.hpp"
#include "cemvis/grid_walks.hpp"
#include "views.hpp"

namespace py = pybind11;

namespace {

template <class T>
std::span<const T> numbers(const AdjacentArray<T>& array) {
  return {array.data(), static_cast<std::size_t>(array.size())};
}

void offsets(const AdjacentArray<float>& scores, double step_sd, double amplitude,
             const AdjacentArray<float>& beginnings, AdjacentArray<std::int64_t> columns,
             AdjacentArray<std::int64_t> rows, AdjacentArray<double> score, int threads) {
  if (scores.ndim() != 4 || scores.shape(2) != scores.shape(3)) {
    throw std::invalid_argument("scores must have shape (rows, columns, k, k)");
  }
  const cemvis::ScoreTables tables{numbers(scores), scores.shape(0), scores.shape(1), scores.shape(2)};
  const cemvis::WalksFound found{output_view(columns), output_view(rows), output_view(score)};
  const py::gil_scoped_release release;
  joint_offsets(tables, {step_sd, amplitude}, numbers(beginnings), found, threads);
}

void values(const AdjacentArray<float>& tables, const AdjacentArray<double>& places, AdjacentArray<float> out,
            int threads) {
  if (tables.ndim() != 3 || tables.shape(1) != tables.shape(2)) {
    throw std::invalid_argument("tables must have shape (n, k, k)");
  }
  const auto to = output_view(out);
  const cemvis::SquareTables from{numbers(tables), tables.shape(0), tables.shape(1)};
  const py::gil_scoped_release release;
  interpolated(from, numbers(places), to, threads);
}

}  // namespace

void bind_grid_walks(py::module_& m) {
  using py::arg;
  m.def("joint_offsets", &offsets, arg("scores").noconvert(), arg("step_sd"), arg("amplitude"),
        arg("beginnings").noconvert(), arg("columns").noconvert(), arg("rows").noconvert(), arg("score").noconvert(),
        arg("threads"));
  m.def("interpolated", &values, arg("tables").noconvert(), arg("offsets").noconvert(), arg("out").noconvert(),
        arg("threads"));
}

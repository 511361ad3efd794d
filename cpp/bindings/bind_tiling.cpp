#include <cstdint>
#include <string>
#include <utility>

#include "bindings.hpp"
#include "cemvis/tiling.hpp"
#include "views.hpp"

namespace py = pybind11;

namespace {

using Pair = std::pair<std::int64_t, std::int64_t>;  // (rows, cols)
using Sums = py::array_t<std::uint64_t>;

// Runs sum(total, total_squares) without the GIL on new arrays of this shape; without squares the second is None.
template <class Sum>
py::tuple summed(const py::array::ShapeContainer& shape, bool squares, const Sum& sum) {
  Sums total(shape);
  Sums total_squares = squares ? Sums(shape) : Sums(0);
  const std::pair to{output_view(total), output_view(total_squares)};
  {
    const py::gil_scoped_release release;
    sum(to.first, to.second);
  }
  return py::make_tuple(total, squares ? py::object(total_squares) : py::none());
}

py::tuple sums_grid(const py::array& image, Pair window, Pair step, bool squares, int threads) {
  return with_pixels(image, [&](const auto& view) {
    const cemvis::WindowGrid grid{{window.first, window.second}, {step.first, step.second}};
    const auto shape = cemvis::grid_shape({view.rows, view.cols}, grid);
    return summed({shape.rows, shape.cols}, squares,
                  [&](auto total, auto total_squares) { window_sums_grid(view, grid, total, total_squares, threads); });
  });
}

py::tuple sums_at(const py::array& image, const AdjacentArray<std::int64_t>& top_left, Pair window, bool squares,
                  int threads) {
  const auto positions = pairs_view(top_left);
  return with_pixels(image, [&](const auto& view) {
    return summed({top_left.shape(0)}, squares, [&](auto total, auto total_squares) {
      window_sums_at(view, positions, {window.first, window.second}, total, total_squares, threads);
    });
  });
}

void gather(const py::array& image, const AdjacentArray<double>& centres, Pair window, std::int64_t downsample,
            const std::string& border, float fill, float grey_mean, float grey_sd, AdjacentArray<float> out,
            int threads) {
  const auto positions = pairs_view(centres);
  const auto to = output_view(out);
  const cemvis::WindowGather how{
      {window.first, window.second}, downsample, cemvis::border_named(border), fill, grey_mean, grey_sd};
  with_pixels(image, [&](const auto& view) {
    const py::gil_scoped_release release;
    gather_windows(view, positions, how, to, threads);
  });
}

}  // namespace

void bind_tiling(py::module_& m) {
  using py::arg;
  m.def("window_sums_grid", &sums_grid, arg("image"), arg("window_px"), arg("step_px"), arg("squares"), arg("threads"));
  m.def("window_sums_at", &sums_at, arg("image"), arg("top_left").noconvert(), arg("window_px"), arg("squares"),
        arg("threads"));
  m.def("gather_windows", &gather, arg("image"), arg("centres").noconvert(), arg("window_px"), arg("downsample"),
        arg("border"), arg("fill"), arg("grey_mean"), arg("grey_sd"), arg("out").noconvert(), arg("threads"));
}

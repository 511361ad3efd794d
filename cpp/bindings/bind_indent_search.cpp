#include <cstdint>

#include "bindings.hpp"
#include "cemvis/indent_search.hpp"
#include "views.hpp"

namespace py = pybind11;

namespace {

using Image32 = py::array_t<float, 0>;
using Response = AdjacentArray<float>;

// As with_pixels, for images of float32 as well.
template <class Call>
void with_any_pixels(const py::array& image, const Call& call) {
  if (py::isinstance<Image32>(image)) {
    call(image_view(py::reinterpret_borrow<Image32>(image)));
  } else {
    with_pixels(image, call);
  }
}

void correlation(const py::array& image, const Image32& pattern, Response out, int threads) {
  const auto to = output_view(out);
  const auto from = image_view(pattern);
  with_any_pixels(image, [&](const auto& view) {
    const py::gil_scoped_release release;
    normalised_correlation(view, from, to, threads);
  });
}

void response(const py::array& image, const Image32& pattern, Response out, int threads) {
  const auto to = output_view(out);
  const auto from = image_view(pattern);
  with_any_pixels(image, [&](const auto& view) {
    const py::gil_scoped_release release;
    linear_response(view, from, to, threads);
  });
}

void patches(const py::array& image, const Image32& pattern, const AdjacentArray<std::int64_t>& top_left,
             std::int64_t radius, Response out, int threads) {
  const auto to = output_view(out);
  const auto from = image_view(pattern);
  const auto places = pairs_view(top_left);
  with_any_pixels(image, [&](const auto& view) {
    const py::gil_scoped_release release;
    response_patches(view, from, places, radius, to, threads);
  });
}

void means(const py::array& image, std::int64_t factor, Response out, int threads) {
  const auto to = output_view(out);
  with_any_pixels(image, [&](const auto& view) {
    const py::gil_scoped_release release;
    downsampled(view, factor, to, threads);
  });
}

}  // namespace

void bind_indent_search(py::module_& m) {
  using py::arg;
  m.def("normalised_correlation", &correlation, arg("image"), arg("pattern").noconvert(), arg("out").noconvert(),
        arg("threads"));
  m.def("linear_response", &response, arg("image"), arg("pattern").noconvert(), arg("out").noconvert(), arg("threads"));
  m.def("response_patches", &patches, arg("image"), arg("pattern").noconvert(), arg("top_left").noconvert(),
        arg("radius_px"), arg("out").noconvert(), arg("threads"));
  m.def("downsampled", &means, arg("image"), arg("factor"), arg("out").noconvert(), arg("threads"));
}

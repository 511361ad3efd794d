#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cstring>

#include "bindings.hpp"
#include "cemvis/specimen.hpp"

namespace py = pybind11;
using cemvis::ImageParameters;
using cemvis::PasteParameters;

namespace {

using Image = py::array_t<std::uint8_t>;

Image render(const PasteParameters& paste, const ImageParameters& image, std::int64_t row, std::int64_t col,
             std::int64_t rows, std::int64_t cols, int threads) {
  Image grey({rows, cols});
  auto* out = grey.mutable_data();
  const py::gil_scoped_release release;
  cemvis::render_bse(paste, image, row, col, rows, cols, threads, out);
  return grey;
}

Image phases(const PasteParameters& paste, double pixel_size_um, double depth_um, std::int64_t row, std::int64_t col,
             std::int64_t rows, std::int64_t cols, int threads) {
  Image phase({rows, cols});
  auto* out = phase.mutable_data();
  const py::gil_scoped_release release;
  cemvis::phase_plane(paste, pixel_size_um, depth_um, row, col, rows, cols, threads, out);
  return phase;
}

// One row a contact: the shares of the phases, their packings, the orientation of CH.
py::array_t<float> contacts(const PasteParameters& paste, const py::array_t<double, py::array::c_style>& xy_um,
                            double radius_um, int points, int threads) {
  using cemvis::Contact;
  using cemvis::ContactVolume;
  static_assert(sizeof(Contact) == 2 * sizeof(double) && sizeof(ContactVolume) == 17 * sizeof(float));
  if (xy_um.ndim() != 2 || xy_um.shape(1) != 2) {
    throw std::invalid_argument("xy_um must have shape (n, 2)");
  }
  std::vector<Contact> at(static_cast<std::size_t>(xy_um.shape(0)));
  std::memcpy(static_cast<void*>(at.data()), xy_um.data(), at.size() * sizeof(Contact));
  std::vector<ContactVolume> volumes(at.size());
  py::array_t<float> table({xy_um.shape(0), py::ssize_t{17}});
  auto* out = table.mutable_data();
  const py::gil_scoped_release release;
  cemvis::contact_volumes(paste, at, radius_um, points, threads, volumes.data());
  std::memcpy(out, volumes.data(), volumes.size() * sizeof(ContactVolume));
  return table;
}

}  // namespace

void bind_specimen(py::module_& m) {
  py::class_<cemvis::GrainClass>(m, "GrainClass").def(py::init<double, double, double>());
#define CEMVIS_FIELD(name) .def_readwrite(#name, &PasteParameters::name)
  py::class_<PasteParameters>(m, "PasteParameters")
      .def(py::init<>())
      // clang-format off
      CEMVIS_FIELD(seed) CEMVIS_FIELD(grains) CEMVIS_FIELD(outline_coarse_um) CEMVIS_FIELD(outline_fine_um)
      CEMVIS_FIELD(reaction_depth_um) CEMVIS_FIELD(reaction_spread) CEMVIS_FIELD(belite_reaction_ratio)
      CEMVIS_FIELD(rim_um) CEMVIS_FIELD(hollow_share) CEMVIS_FIELD(hollow_gap_um) CEMVIS_FIELD(crystal_um)
      CEMVIS_FIELD(belite_share) CEMVIS_FIELD(interstitial_share) CEMVIS_FIELD(ferrite_share)
      CEMVIS_FIELD(ch_wavelength_um) CEMVIS_FIELD(ch_threshold) CEMVIS_FIELD(ch_crystal_um)
      CEMVIS_FIELD(plate_cell_um) CEMVIS_FIELD(plate_share) CEMVIS_FIELD(pore_wavelength_um)
      CEMVIS_FIELD(pore_threshold) CEMVIS_FIELD(pore_patchiness) CEMVIS_FIELD(crack_wavelength_um)
      CEMVIS_FIELD(crack_width_um) CEMVIS_FIELD(crack_share) CEMVIS_FIELD(texture_um);
  // clang-format on
#undef CEMVIS_FIELD
#define CEMVIS_FIELD(name) .def_readwrite(#name, &ImageParameters::name)
  py::class_<ImageParameters>(m, "ImageParameters")
      .def(py::init<>())
      // clang-format off
      CEMVIS_FIELD(pixel_size_um) CEMVIS_FIELD(eta) CEMVIS_FIELD(eta_per_packing) CEMVIS_FIELD(surface_depth_um)
      CEMVIS_FIELD(surface_weight) CEMVIS_FIELD(surface_blur_um) CEMVIS_FIELD(layer_depth_um)
      CEMVIS_FIELD(layer_weight) CEMVIS_FIELD(layer_blur_um) CEMVIS_FIELD(gain) CEMVIS_FIELD(offset)
      CEMVIS_FIELD(read_noise) CEMVIS_FIELD(shot_noise);
  // clang-format on
#undef CEMVIS_FIELD
  m.def("render_bse", &render, py::arg("paste"), py::arg("image"), py::arg("row"), py::arg("col"), py::arg("rows"),
        py::arg("cols"), py::arg("threads"));
  m.def("phase_plane", &phases, py::arg("paste"), py::arg("pixel_size_um"), py::arg("depth_um"), py::arg("row"),
        py::arg("col"), py::arg("rows"), py::arg("cols"), py::arg("threads"));
  m.def("contact_volumes", &contacts, py::arg("paste"), py::arg("xy_um").noconvert(), py::arg("radius_um"),
        py::arg("points"), py::arg("threads"));
}

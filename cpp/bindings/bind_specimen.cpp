#include <pybind11/numpy.h>
#include <pybind11/stl.h>

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
py::array_t<float> contacts(const PasteParameters& paste, const py::array_t<double>& xy_um, double radius_um,
                            int points, int threads) {
  if (xy_um.ndim() != 2 || xy_um.shape(1) != 2) {
    throw std::invalid_argument("xy_um must have shape (n, 2)");
  }
  std::vector<cemvis::Contact> at;
  at.reserve(static_cast<std::size_t>(xy_um.shape(0)));
  for (py::ssize_t n = 0; n < xy_um.shape(0); ++n) {
    at.push_back({xy_um.at(n, 0), xy_um.at(n, 1)});
  }
  std::vector<cemvis::ContactVolume> volumes(at.size());
  {
    const py::gil_scoped_release release;
    cemvis::contact_volumes(paste, at, radius_um, points, threads, volumes.data());
  }
  py::array_t<float> table({xy_um.shape(0), py::ssize_t{2 * cemvis::phase_count + 1}});
  auto cell = table.mutable_unchecked<2>();
  for (std::size_t n = 0; n < volumes.size(); ++n) {
    const auto row = static_cast<py::ssize_t>(n);
    for (py::ssize_t p = 0; p < cemvis::phase_count; ++p) {
      cell(row, p) = volumes[n].share[static_cast<std::size_t>(p)];
      cell(row, cemvis::phase_count + p) = volumes[n].packing[static_cast<std::size_t>(p)];
    }
    cell(row, 2 * cemvis::phase_count) = volumes[n].orientation;
  }
  return table;
}

}  // namespace

void bind_specimen(py::module_& m) {
  py::class_<cemvis::GrainClass>(m, "GrainClass").def(py::init<double, double, double>());
  py::class_<PasteParameters> paste(m, "PasteParameters");
  paste.def(py::init<>())
      .def_readwrite("seed", &PasteParameters::seed)
      .def_readwrite("grains", &PasteParameters::grains);
#define CEMVIS_FIELD(name) paste.def_readwrite(#name, &PasteParameters::name)
  CEMVIS_FIELD(outline_coarse_um);
  CEMVIS_FIELD(outline_fine_um);
  CEMVIS_FIELD(reaction_depth_um);
  CEMVIS_FIELD(reaction_spread);
  CEMVIS_FIELD(belite_reaction_ratio);
  CEMVIS_FIELD(rim_um);
  CEMVIS_FIELD(hollow_share);
  CEMVIS_FIELD(hollow_gap_um);
  CEMVIS_FIELD(crystal_um);
  CEMVIS_FIELD(belite_share);
  CEMVIS_FIELD(interstitial_share);
  CEMVIS_FIELD(ferrite_share);
  CEMVIS_FIELD(ch_wavelength_um);
  CEMVIS_FIELD(ch_threshold);
  CEMVIS_FIELD(ch_crystal_um);
  CEMVIS_FIELD(plate_cell_um);
  CEMVIS_FIELD(plate_share);
  CEMVIS_FIELD(pore_wavelength_um);
  CEMVIS_FIELD(pore_threshold);
  CEMVIS_FIELD(pore_patchiness);
  CEMVIS_FIELD(crack_wavelength_um);
  CEMVIS_FIELD(crack_width_um);
  CEMVIS_FIELD(crack_share);
  CEMVIS_FIELD(texture_um);
#undef CEMVIS_FIELD
  py::class_<ImageParameters> image(m, "ImageParameters");
  image.def(py::init<>());
#define CEMVIS_FIELD(name) image.def_readwrite(#name, &ImageParameters::name)
  CEMVIS_FIELD(pixel_size_um);
  CEMVIS_FIELD(eta);
  CEMVIS_FIELD(eta_per_packing);
  CEMVIS_FIELD(surface_depth_um);
  CEMVIS_FIELD(surface_weight);
  CEMVIS_FIELD(surface_blur_um);
  CEMVIS_FIELD(layer_depth_um);
  CEMVIS_FIELD(layer_weight);
  CEMVIS_FIELD(layer_blur_um);
  CEMVIS_FIELD(gain);
  CEMVIS_FIELD(offset);
  CEMVIS_FIELD(read_noise);
  CEMVIS_FIELD(shot_noise);
#undef CEMVIS_FIELD
  m.def("render_bse", &render);
  m.def("phase_plane", &phases);
  m.def("contact_volumes", &contacts, py::arg(), py::arg().noconvert(), py::arg(), py::arg(), py::arg());
}

#include <pybind11/stl.h>

#include "bindings.hpp"
#include "cemvis/devices.hpp"

namespace py = pybind11;

void bind_devices(py::module_& m) {
  py::class_<cemvis::CudaDevice>(m, "CudaDevice")
      .def_readonly("name", &cemvis::CudaDevice::name)
      .def_readonly("compute_major", &cemvis::CudaDevice::compute_major)
      .def_readonly("compute_minor", &cemvis::CudaDevice::compute_minor)
      .def_readonly("memory_bytes", &cemvis::CudaDevice::memory_bytes);
  m.def("built_with_cuda", &cemvis::built_with_cuda);
  m.def("cuda_devices", [] {
    const auto found = cemvis::cuda_devices();
    return py::make_tuple(found.devices, found.reason);
  });
}

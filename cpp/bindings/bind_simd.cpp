#include "bindings.hpp"
#include "cemvis/simd.hpp"

void bind_simd(pybind11::module_& m) {
  m.def("simd_level", [] { return cemvis::simd_name(cemvis::simd_level()); });
}

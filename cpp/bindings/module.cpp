#include <pybind11/pybind11.h>

#include "bindings.hpp"

PYBIND11_MODULE(_core, m) {
  m.doc() = "Compiled kernels of cemvis; use them through cemvis.kernels.";
  bind_annealing(m);
  bind_backscatter(m);
  bind_devices(m);
  bind_difference_matrix(m);
  bind_grid_walks(m);
  bind_indent_search(m);
  bind_reconstruction(m);
  bind_simd(m);
  bind_specimen(m);
  bind_tiling(m);
  bind_two_point(m);
}

#pragma once

#include <pybind11/pybind11.h>

void bind_annealing(pybind11::module_& m);
void bind_backscatter(pybind11::module_& m);
void bind_devices(pybind11::module_& m);
void bind_difference_matrix(pybind11::module_& m);
void bind_grid_walks(pybind11::module_& m);
void bind_indent_search(pybind11::module_& m);
void bind_reconstruction(pybind11::module_& m);
void bind_simd(pybind11::module_& m);
void bind_specimen(pybind11::module_& m);
void bind_tiling(pybind11::module_& m);
void bind_two_point(pybind11::module_& m);

#pragma once

#include <pybind11/numpy.h>

#include <stdexcept>

#include "cemvis/image_view.hpp"

// A two-dimensional NumPy array as the core's view, without a copy. The caller keeps the array alive.
template <class T>
cemvis::ImageView<T> image_view(const pybind11::array_t<T>& image) {
  if (image.ndim() != 2) {
    throw std::invalid_argument("image must have 2 dimensions");
  }
  constexpr auto size = static_cast<pybind11::ssize_t>(sizeof(T));
  if (image.strides(0) % size != 0 || image.strides(1) % size != 0) {
    throw std::invalid_argument("image strides must be whole pixels");
  }
  return {image.data(), image.shape(0), image.shape(1), image.strides(0) / size, image.strides(1) / size};
}

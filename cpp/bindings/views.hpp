#pragma once

#include <pybind11/numpy.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>

#include "cemvis/image_view.hpp"

// Arguments that with noconvert are an array of exactly this type, or an error: with any strides, and in C order.
template <class T>
using StridedArray = pybind11::array_t<T, 0>;
template <class T>
using AdjacentArray = pybind11::array_t<T, pybind11::array::c_style>;

// A two-dimensional NumPy array as the core's view, without a copy. The caller keeps the array alive.
template <class T, int Flags>
cemvis::ImageView<T> image_view(const pybind11::array_t<T, Flags>& image) {
  if (image.ndim() != 2) {
    throw std::invalid_argument("image must have 2 dimensions");
  }
  constexpr auto size = static_cast<pybind11::ssize_t>(sizeof(T));
  if (image.strides(0) % size != 0 || image.strides(1) % size != 0) {
    throw std::invalid_argument("image strides must be whole pixels");
  }
  if (std::bit_cast<std::uintptr_t>(image.data()) % alignof(T) != 0) {
    throw std::invalid_argument("image must be aligned in memory");
  }
  return {image.data(), image.shape(0), image.shape(1), image.strides(0) / size, image.strides(1) / size};
}

// All numbers of an array of shape (n, 2), pair by pair.
template <class T>
std::span<const T> pairs_view(const AdjacentArray<T>& pairs) {
  if (pairs.ndim() != 2 || pairs.shape(1) != 2) {
    throw std::invalid_argument("positions must have shape (n, 2)");
  }
  return {pairs.data(), static_cast<std::size_t>(pairs.size())};
}

// All numbers of an array that the core is to fill. Throws if it is read-only.
template <class T, int Flags>
std::span<T> output_view(pybind11::array_t<T, Flags>& out) {
  return {out.mutable_data(), static_cast<std::size_t>(out.size())};
}

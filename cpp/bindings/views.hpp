#pragma once

#include <pybind11/numpy.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>

#include "cemvis/image_view.hpp"

// With noconvert, an array of exactly this type in C order, or an error.
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

// Calls call(view) with a view of an image of 8 or 16 bits and any strides, without a copy. Nothing is converted.
template <class Call>
auto with_pixels(const pybind11::array& image, const Call& call) {
  using Image8 = pybind11::array_t<std::uint8_t, 0>;
  using Image16 = pybind11::array_t<std::uint16_t, 0>;
  if (pybind11::isinstance<Image8>(image)) {
    return call(image_view(pybind11::reinterpret_borrow<Image8>(image)));
  }
  if (pybind11::isinstance<Image16>(image)) {
    return call(image_view(pybind11::reinterpret_borrow<Image16>(image)));
  }
  throw pybind11::type_error("image must be native uint8 or uint16");
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

#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

// Noise that is a function of position alone: hashes of lattice points, interpolated. Only +, -, * and floor, so that
// a value does not depend on the compiler's choice of a vector library.

namespace cemvis::noise {

inline std::uint32_t mix(std::uint32_t h) {  // a bijection in which each input bit reaches each output bit
  h ^= h >> 16U;
  h *= 0x7feb352dU;
  h ^= h >> 15U;
  h *= 0x846ca68bU;
  h ^= h >> 16U;
  return h;
}

// A cell's hash in three steps, so that neighbours can share the first ones.
inline std::uint32_t hash_x(std::uint32_t seed, std::int32_t i) {
  return mix(seed ^ (static_cast<std::uint32_t>(i) * 0x9e3779b1U));
}
inline std::uint32_t hash_y(std::uint32_t h, std::int32_t j) {
  return mix(h ^ (static_cast<std::uint32_t>(j) * 0x85ebca77U));
}
inline std::uint32_t hash_z(std::uint32_t h, std::int32_t k) {
  return mix(h ^ (static_cast<std::uint32_t>(k) * 0xc2b2ae3dU));
}
inline std::uint32_t hash(std::uint32_t seed, std::int32_t i, std::int32_t j, std::int32_t k) {
  return hash_z(hash_y(hash_x(seed, i), j), k);
}

// The n-th uniform number in [0, 1) of a hashed cell.
inline double uniform(std::uint32_t cell, std::uint32_t n) {
  return static_cast<double>(mix(cell + n * 0x9e3779b9U)) * 0x1p-32;
}

inline float fade(float t) { return t * t * t * (t * (t * 6.0F - 15.0F) + 10.0F); }

inline float lerp(float a, float b, float t) { return a + t * (b - a); }

// Dot product of (x, y, z) with one of the twelve edge directions of a cube, chosen by the hash.
inline float slope(std::uint32_t h, float x, float y, float z) {
  const float u = (h & 8U) != 0 ? y : x;
  const float across = (h & 8U) != 0 ? x : y;
  const float v = (h & 4U) != 0 ? z : across;
  return ((h & 1U) != 0 ? -u : u) + ((h & 2U) != 0 ? -v : v);
}

// Gradient noise of unit lattice: zero mean, sd about 0.27, no correlation beyond a distance of two. The lattice is
// turned so that its main diagonal points along z: cut along its own planes, the noise would show rows and columns.
inline float gradient(std::uint32_t seed, double px, double py, double pz) {
  const double lean = -0.211324865405187 * (px + py);
  const double lift = std::numbers::inv_sqrt3 * pz;
  const double x = px + lean + lift;
  const double y = py + lean + lift;
  const double z = lift - std::numbers::inv_sqrt3 * (px + py);
  const double fx = std::floor(x);
  const double fy = std::floor(y);
  const double fz = std::floor(z);
  const auto i = static_cast<std::int32_t>(fx);
  const auto j = static_cast<std::int32_t>(fy);
  const auto k = static_cast<std::int32_t>(fz);
  const auto dx = static_cast<float>(x - fx);
  const auto dy = static_cast<float>(y - fy);
  const auto dz = static_cast<float>(z - fz);
  const float u = fade(dx);
  const float v = fade(dy);
  const float w = fade(dz);
  const std::uint32_t left = hash_x(seed, i);
  const std::uint32_t right = hash_x(seed, i + 1);
  const auto corner = [&](std::uint32_t column, float ox, float oy, std::int32_t c) {
    return slope(hash_z(column, k + c), dx - ox, dy - oy, dz - static_cast<float>(c));
  };
  const std::array<std::uint32_t, 4> column = {hash_y(left, j), hash_y(right, j), hash_y(left, j + 1),
                                               hash_y(right, j + 1)};
  const auto layer = [&](std::int32_t c) {
    return lerp(lerp(corner(column[0], 0, 0, c), corner(column[1], 1, 0, c), u),
                lerp(corner(column[2], 0, 1, c), corner(column[3], 1, 1, c), u), v);
  };
  return lerp(layer(0), layer(1), w);
}

// Sum of `octaves` gradient noises, each of half the wavelength and `gain` times the amplitude of the one before.
inline float fractal(std::uint32_t seed, double x, double y, double z, double wavelength, int octaves, float gain) {
  float sum = 0;
  float amplitude = 1;
  double frequency = 1.0 / wavelength;
  for (int o = 0; o < octaves; ++o) {
    sum += amplitude * gradient(seed + static_cast<std::uint32_t>(o), x * frequency, y * frequency, z * frequency);
    amplitude *= gain;
    frequency *= 2;
  }
  return sum;
}

// The nearest two of one random point per unit cell: the first one's hash, and how far the second is behind it.
struct Cell {
  std::uint32_t id = 0;
  float lead = 0;  // distance to the second minus distance to the first
};
Cell nearest_cell(std::uint32_t seed, double x, double y, double z);

}  // namespace cemvis::noise

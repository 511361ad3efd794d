#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "cemvis/specimen.hpp"

namespace cemvis {

inline constexpr int grain_faces = 12;

// A crushed cement grain as it was before hydration: a polyhedron within a sphere.
struct Grain {
  double x = 0, y = 0, z = 0;
  double radius = 0;  // nominal
  double extent = 0;  // no point of the grain is farther from its centre
  std::uint32_t id = 0;
  std::array<std::array<float, 4>, grain_faces> faces{};  // unit normal and distance from the centre

  // Distance outwards from the nearest face: negative inside, within `reach` at most.
  [[nodiscard]] float distance(double px, double py, double pz, float reach) const;
};

// The share of its slots that a class fills to reach its volume fraction; above 1 it can't.
double slots_filled(const GrainClass& sizes);

// The grains that can be felt within a box of the surface, filed by columns so that a point meets few of them.
class GrainField {
 public:
  // How far from its outline a grain is felt, in um; beyond it only "far" is known.
  static constexpr double reach_um = 2.5;

  GrainField(const PasteParameters& paste, double x0, double y0, double x1, double y1, double depth_um);

  struct Nearest {
    float distance = static_cast<float>(reach_um);
    const Grain* grain = nullptr;
  };
  [[nodiscard]] Nearest nearest(double x, double y, double z) const;

 private:
  static constexpr double column_um = 2.5;
  double x0_;
  double y0_;
  std::int64_t columns_x_;
  std::int64_t columns_y_;
  std::vector<Grain> grains_;
  std::vector<std::vector<std::uint32_t>> columns_;
};

}  // namespace cemvis

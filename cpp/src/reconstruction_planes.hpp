#pragma once

// The neighbours of a pixel of an image of phases, by ring and phase.

#include <cstdint>
#include <memory>

namespace cemvis::annealing {

class Planes {
 public:
  Planes() = default;
  Planes(const Planes&) = delete;
  Planes& operator=(const Planes&) = delete;
  Planes(Planes&&) = delete;
  Planes& operator=(Planes&&) = delete;
  virtual ~Planes() = default;

  // Gives a pixel a phase, in every copy that there is of it.
  virtual void write(std::int64_t row, std::int64_t col, int phase) = 0;

  // Counts the neighbours of each ring r = 1 .. r_max and phase at around[r x phases + phase].
  virtual void look_around(std::int64_t row, std::int64_t col, std::int64_t* around) = 0;

  // How many neighbours a pixel far from any edge has.
  [[nodiscard]] virtual std::int64_t neighbours() const = 0;
};

struct PlanesShape {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t r_max = 0;
  int phases = 0;
  bool periodic = false;
  bool axes = false;
};

// Planes on which nothing is written yet; what lies outside an image that is not periodic counts for no phase.
std::unique_ptr<Planes> make_planes(const PlanesShape& shape);

}  // namespace cemvis::annealing

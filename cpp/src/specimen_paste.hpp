#pragma once

#include "cemvis/specimen.hpp"
#include "specimen_grains.hpp"

namespace cemvis {

// Whether a parameter lies in a closed range; false for NaN.
inline bool within(double value, double low, double high) { return value >= low && value <= high; }

// How far from the origin, in x and y, the paste is defined. Lattice cells have 32-bit indices: at the shortest
// wavelength that check_paste admits, the texture's last octave of 0.5 um / 32, they reach 1.5e9 here.
inline constexpr double farthest_um = 2e7;

// Throws std::invalid_argument, with the reason, if the parameters make no paste.
void check_paste(const PasteParameters& paste);

// A box of the paste, from the surface down to depth_um, whose points can be asked for.
class Paste {
 public:
  // Packing takes nearly half of a point's time: who asks for phases alone leaves it out.
  enum class Detail : std::uint8_t { phase, packing };
  Paste(const PasteParameters& paste, double x0, double y0, double x1, double y1, double depth_um,
        Detail detail = Detail::packing);
  [[nodiscard]] Material at(double x, double y, double z) const;

 private:
  [[nodiscard]] Material clinker(double x, double y, double z, float depth, const Grain& grain) const;
  [[nodiscard]] Material matrix(double x, double y, double z, float distance) const;
  [[nodiscard]] bool in_plate(double x, double y, double z) const;
  [[nodiscard]] bool in_crack(double x, double y, double z) const;
  [[nodiscard]] Material csh(Phase phase, double x, double y, double z) const;

  const PasteParameters* paste_;
  GrainField grains_;
  std::uint32_t seed_;
  Detail detail_;
};

}  // namespace cemvis

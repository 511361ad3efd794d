#pragma once

#include <array>
#include <cstdint>
#include <vector>

// A virtual hydrated cement paste, defined at every point of space by a seed: nothing is stored, each point's
// material is computed from hashes of the lattice cells around it. So any part of it, however cut into tiles, shows
// the same material, and memory does not grow with the specimen.
//
// Coordinates are micrometres: x right, y down, z into the specimen; the polished surface is z = 0.

namespace cemvis {

enum class Phase : std::uint8_t { pore, ld_csh, hd_csh, ch, alite, belite, aluminate, ferrite };
inline constexpr int phase_count = 8;

// Cement grains before hydration with radii log-uniform in [radius_min_um, radius_max_um) and, before overlapping
// grains are thinned out, this fraction of the volume.
struct GrainClass {
  double radius_min_um = 0;
  double radius_max_um = 0;
  double volume_fraction = 0;
};

struct PasteParameters {
  std::uint64_t seed = 0;
  std::vector<GrainClass> grains;
  double outline_coarse_um = 0;  // roughness of a grain's outline at a wavelength of 3 um
  double outline_fine_um = 0;    // and at 0.8 um
  double reaction_depth_um = 0;  // how far alite has reacted, from the grain's first outline inwards
  double reaction_spread = 0;    // relative, grain by grain
  double belite_reaction_ratio = 0;
  double rim_um = 0;        // HD-CSH outside the first outline
  double hollow_share = 0;  // share of grains with a gap between core and rim
  double hollow_gap_um = 0;
  double crystal_um = 0;  // size of alite and belite crystals
  double belite_share = 0;
  double interstitial_share = 0;  // width of the aluminate and ferrite seams, relative to a crystal
  double ferrite_share = 0;
  double ch_wavelength_um = 0;
  double ch_threshold = 0;
  double ch_crystal_um = 0;  // size of a single CH crystal: one orientation each
  double plate_cell_um = 0;  // one CH plate per cell at most
  double plate_share = 0;
  double pore_wavelength_um = 0;
  double pore_threshold = 0;
  double pore_patchiness = 0;  // how much the threshold varies over 25 um
  double crack_wavelength_um = 0;
  double crack_width_um = 0;
  double crack_share = 0;  // of the possible crack length that is open
  double texture_um = 0;   // longest wavelength of the C-S-H texture below the 25 um one
};

// What lies at a point.
struct Material {
  Phase phase = Phase::pore;
  float packing = 0;      // C-S-H: local packing against the phase's mean, about N(0, 1)
  float orientation = 0;  // CH: squared cosine between the c axis and the surface normal
};

struct ImageParameters {
  double pixel_size_um = 0;
  std::array<double, phase_count> eta{};  // backscatter coefficient
  std::array<double, phase_count> eta_per_packing{};
  double surface_depth_um = 0;  // the layer resolved at full resolution
  double surface_weight = 0;
  double surface_blur_um = 0;          // Gaussian sd
  std::vector<double> layer_depth_um;  // deeper layers, resolved on a grid four times coarser
  std::vector<double> layer_weight;
  std::vector<double> layer_blur_um;
  double gain = 0;  // grey = offset + gain * eta
  double offset = 0;
  double read_noise = 0;  // sd in grey levels at eta = 0
  double shot_noise = 0;  // variance in grey levels per unit of eta
};

// rows x cols pixels of the BSE image from pixel (row, col), written to `grey` in row-major order. The values depend
// on the pixel's own index only. Throws std::invalid_argument on parameters that make no specimen.
void render_bse(const PasteParameters& paste, const ImageParameters& image, std::int64_t row, std::int64_t col,
                std::int64_t rows, std::int64_t cols, int threads, std::uint8_t* grey);

// Phase at the pixel centres of a plane at depth_um; row-major like render_bse.
void phase_plane(const PasteParameters& paste, double pixel_size_um, double depth_um, std::int64_t row,
                 std::int64_t col, std::int64_t rows, std::int64_t cols, int threads, std::uint8_t* phase);

struct Contact {
  double x_um = 0;
  double y_um = 0;
};

// What a contact feels: weighted means over a half space. The share of the response that comes from within r of the
// contact is 1 - exp(-(r / radius_um)^1.5), sampled at `points` fixed points of equal weight.
struct ContactVolume {
  std::array<float, phase_count> share{};    // of each phase; sums to 1
  std::array<float, phase_count> packing{};  // mean packing of that phase's points, 0 where it has none
  float orientation = 0;                     // mean orientation of the CH points, 0 where there are none
};
void contact_volumes(const PasteParameters& paste, const std::vector<Contact>& contacts, double radius_um, int points,
                     int threads, ContactVolume* volumes);

}  // namespace cemvis

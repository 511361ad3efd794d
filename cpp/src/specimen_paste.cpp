#include "specimen_paste.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "specimen_noise.hpp"

namespace cemvis {
namespace {

// One independent noise field each: what is added to the seed.
namespace field {
constexpr std::uint32_t outline_coarse = 0x100;
constexpr std::uint32_t outline_fine = 0x200;
constexpr std::uint32_t crystals = 0x300;
constexpr std::uint32_t crystal_warp = 0x400;
constexpr std::uint32_t clusters = 0x500;
constexpr std::uint32_t ch_crystals = 0x600;
constexpr std::uint32_t plates = 0x700;
constexpr std::uint32_t pores = 0x800;
constexpr std::uint32_t patches = 0x900;
constexpr std::uint32_t cracks = 0xa00;
constexpr std::uint32_t crack_mask = 0xb00;
constexpr std::uint32_t texture = 0xc00;
}  // namespace field

// Of the C-S-H texture below before it is divided by this (measured on 40,000 points).
constexpr float texture_sd = 0.506F;
constexpr double patch_wavelength_um = 25.0;

}  // namespace

noise::Cell noise::nearest_cell(std::uint32_t seed, double x, double y, double z) {
  const auto i = static_cast<std::int32_t>(std::floor(x));
  const auto j = static_cast<std::int32_t>(std::floor(y));
  const auto k = static_cast<std::int32_t>(std::floor(z));
  double first = 1e9;
  double second = 1e9;
  Cell cell;
  for (std::int32_t a = i - 1; a <= i + 1; ++a) {
    const std::uint32_t slab = hash_x(seed, a);
    for (std::int32_t b = j - 1; b <= j + 1; ++b) {
      const std::uint32_t column = hash_y(slab, b);
      for (std::int32_t c = k - 1; c <= k + 1; ++c) {
        const std::uint32_t id = hash_z(column, c);
        const double dx = a + uniform(id, 1) - x;
        const double dy = b + uniform(id, 2) - y;
        const double dz = c + uniform(id, 3) - z;
        const double square = dx * dx + dy * dy + dz * dz;
        if (square < first) {
          second = first;
          first = square;
          cell.id = id;
        } else if (square < second) {
          second = square;
        }
      }
    }
  }
  cell.lead = static_cast<float>(std::sqrt(second) - std::sqrt(first));
  return cell;
}

void check_paste(const PasteParameters& paste) {
  const auto require = [](bool right, const char* what) {
    if (!right) {
      throw std::invalid_argument(std::string("paste: ") + what);
    }
  };
  require(!paste.grains.empty(), "at least one grain class is needed");
  for (std::size_t k = 0; k < paste.grains.size(); ++k) {
    const GrainClass& sizes = paste.grains[k];
    require(sizes.radius_min_um >= 0.3 && sizes.radius_max_um > sizes.radius_min_um && sizes.radius_max_um <= 100,
            "grain radii must rise and lie in 0.3 to 100 um");
    require(sizes.volume_fraction >= 0 && sizes.volume_fraction <= 0.4, "a class may fill at most 0.4 of the volume");
    require(slots_filled(sizes) <= 1, "a class with radii this far apart can't fill so much of the volume; split it");
    // crowded_out looks for larger grains in this class and those after it.
    require(k == 0 || sizes.radius_min_um >= paste.grains[k - 1].radius_max_um, "classes must rise without overlap");
  }
  for (const double length : {paste.crystal_um, paste.ch_wavelength_um, paste.ch_crystal_um, paste.plate_cell_um,
                              paste.pore_wavelength_um, paste.crack_wavelength_um, paste.texture_um}) {
    require(length >= 0.1 && length <= 1000, "lengths must lie in 0.1 to 1000 um");
  }
  require(paste.texture_um >= 0.5, "texture_um must lie in 0.5 to 1000");  // see farthest_um
  for (const double share : {paste.hollow_share, paste.belite_share, paste.ferrite_share, paste.plate_share,
                             paste.crack_share, paste.interstitial_share, paste.belite_reaction_ratio}) {
    require(share >= 0 && share <= 1, "shares must lie in 0 to 1");
  }
  for (const double level : {paste.ch_threshold, paste.pore_threshold, paste.pore_patchiness}) {
    require(within(level, -1000, 1000), "noise levels must be finite, -1000 to 1000");
  }
  for (const double width : {paste.outline_coarse_um, paste.outline_fine_um, paste.rim_um, paste.hollow_gap_um,
                             paste.crack_width_um, paste.reaction_depth_um}) {
    require(within(width, 0, 1000), "roughness, rims, gaps, cracks and the reaction depth must lie in 0 to 1000 um");
  }
  // Beyond its reach a grain is not known, and what depends on it would depend on the tile.
  require(std::max(paste.rim_um, 2 * (paste.outline_coarse_um + paste.outline_fine_um)) < GrainField::reach_um,
          "the rim, and twice the sum of the outlines' roughness, must be below 2.5 um");
  require(within(paste.reaction_spread, 0, 1), "reaction_spread must lie in 0 to 1");
}

Paste::Paste(const PasteParameters& paste, double x0, double y0, double x1, double y1, double depth_um, Detail detail)
    : paste_(&paste),
      grains_(paste, x0, y0, x1, y1, depth_um),
      seed_(noise::mix(static_cast<std::uint32_t>(paste.seed) +
                       0x51ed270bU * static_cast<std::uint32_t>(paste.seed >> 32U))),
      detail_(detail) {}

Material Paste::at(double x, double y, double z) const {
  const auto [outline, grain] = grains_.nearest(x, y, z);
  if (grain == nullptr) {
    return matrix(x, y, z, outline);
  }
  // Small grains are smoother in proportion, or the roughness would tear them apart.
  const float rough = std::min(1.0F, static_cast<float>(grain->radius) / 3.0F);
  float distance = outline;
  if (std::abs(outline) < 2.0F * static_cast<float>(paste_->outline_coarse_um + paste_->outline_fine_um) ||
      outline < 0) {
    distance += rough * static_cast<float>(paste_->outline_coarse_um) * 2.5F *
                    noise::gradient(seed_ + field::outline_coarse, x / 3.0, y / 3.0, z / 3.0) +
                rough * static_cast<float>(paste_->outline_fine_um) * 2.5F *
                    noise::gradient(seed_ + field::outline_fine, x / 0.8, y / 0.8, z / 0.8);
  }
  if (distance < 0) {
    return clinker(x, y, z, -distance, *grain);
  }
  if (distance < static_cast<float>(paste_->rim_um) * rough) {
    return csh(Phase::hd_csh, x, y, z);
  }
  return matrix(x, y, z, distance);
}

// A point that was cement, `depth` below the grain's first outline: reacted to HD-CSH, or still clinker.
Material Paste::clinker(double x, double y, double z, float depth, const Grain& grain) const {
  const double warp = 0.15 * noise::gradient(seed_ + field::crystal_warp, x / 2.0, y / 2.0, z / 2.0);
  const double scale = 1.0 / paste_->crystal_um;
  const noise::Cell crystal =
      noise::nearest_cell(seed_ + field::crystals, x * scale + warp, y * scale - warp, z * scale + 0.5 * warp);
  const double kind = noise::uniform(crystal.id, 4);
  const bool belite = kind < paste_->belite_share;
  const double spread = 1 + paste_->reaction_spread * (2 * noise::uniform(grain.id, 5) - 1);
  const double reacted = paste_->reaction_depth_um * spread * (belite ? paste_->belite_reaction_ratio : 1.0);
  if (depth < reacted) {
    const bool hollow =
        noise::uniform(grain.id, 6) < paste_->hollow_share && grain.radius < 3 * paste_->reaction_depth_um;
    if (hollow && depth > reacted - paste_->hollow_gap_um * 2 * noise::uniform(grain.id, 7)) {
      return {Phase::pore, 0, 0};
    }
    return csh(Phase::hd_csh, x, y, z);
  }
  if (crystal.lead < paste_->interstitial_share) {
    // Which of the two melts solidified in a seam changes along it, not from crystal to crystal.
    const float melt = noise::gradient(seed_ + field::crystals + 1, x / 3.0, y / 3.0, z / 3.0);
    return {melt < 0.6F * static_cast<float>(paste_->ferrite_share - 0.5) ? Phase::ferrite : Phase::aluminate, 0, 0};
  }
  return {belite ? Phase::belite : Phase::alite, 0, 0};
}

Material Paste::matrix(double x, double y, double z, float distance) const {
  if (in_crack(x, y, z)) {
    return {Phase::pore, 0, 0};
  }
  const float cluster = noise::fractal(seed_ + field::clusters, x, y, z, paste_->ch_wavelength_um, 3, 0.45F);
  if (cluster > static_cast<float>(paste_->ch_threshold) || in_plate(x, y, z)) {
    const double scale = 1.0 / paste_->ch_crystal_um;
    const noise::Cell crystal = noise::nearest_cell(seed_ + field::ch_crystals, x * scale, y * scale, z * scale);
    const double cosine = noise::uniform(crystal.id, 4);  // random axes: the cosine is uniform
    return {Phase::ch, 0, static_cast<float>(cosine * cosine)};
  }
  // Capillary pores are what hydrates have not filled: none against a rim, most where the grains are far.
  const float open = noise::fractal(seed_ + field::pores, x, y, z, paste_->pore_wavelength_um, 3, 0.55F);
  const float patch = noise::gradient(seed_ + field::patches, x / patch_wavelength_um, y / patch_wavelength_um,
                                      z / patch_wavelength_um);
  const float near = std::max(0.0F, 1.0F - distance / 1.5F);
  if (open > static_cast<float>(paste_->pore_threshold + paste_->pore_patchiness * patch) + 0.5F * near) {
    return {Phase::pore, 0, 0};
  }
  return csh(Phase::ld_csh, x, y, z);
}

bool Paste::in_plate(double x, double y, double z) const {
  const double edge = paste_->plate_cell_um;
  const auto home = [edge](double v) { return static_cast<std::int32_t>(std::floor(v / edge)); };
  for (std::int32_t c = home(z - 0.5 * edge); c <= home(z + 0.5 * edge); ++c) {
    for (std::int32_t b = home(y - 0.5 * edge); b <= home(y + 0.5 * edge); ++b) {
      for (std::int32_t a = home(x - 0.5 * edge); a <= home(x + 0.5 * edge); ++a) {
        const std::uint32_t id = noise::hash(seed_ + field::plates, a, b, c);
        if (noise::uniform(id, 0) >= paste_->plate_share) {
          continue;
        }
        const double dx = x - (a + noise::uniform(id, 1)) * edge;
        const double dy = y - (b + noise::uniform(id, 2)) * edge;
        const double dz = z - (c + noise::uniform(id, 3)) * edge;
        const double radius = edge * (0.2 + 0.3 * noise::uniform(id, 4));
        const double square = dx * dx + dy * dy + dz * dz;
        if (square > radius * radius) {
          continue;
        }
        const double cosine = 2 * noise::uniform(id, 5) - 1;
        const double angle = 6.283185307179586 * noise::uniform(id, 6);
        const double sine = std::sqrt(1 - cosine * cosine);
        const double axial = dx * sine * std::cos(angle) + dy * sine * std::sin(angle) + dz * cosine;
        const double thickness = 0.06 * edge * (0.5 + noise::uniform(id, 7));
        if (std::abs(axial) < thickness * (1 - square / (radius * radius))) {
          return true;
        }
      }
    }
  }
  return false;
}

// Cracks run where a smooth field changes sign: winding, continuous, and as wide as the field's slope allows.
bool Paste::in_crack(double x, double y, double z) const {
  const double scale = 1.0 / paste_->crack_wavelength_um;
  const float level = noise::gradient(seed_ + field::cracks, x * scale, y * scale, z * scale) +
                      0.03F * noise::gradient(seed_ + field::cracks + 1, x / 8.0, y / 8.0, z / 8.0);
  // The field's slope is below 4 per wavelength: farther from zero than this no crack can be.
  if (std::abs(level) > 4.0F * static_cast<float>(paste_->crack_width_um * scale) + 0.002F) {
    return false;
  }
  if (noise::gradient(seed_ + field::crack_mask, x * scale, y * scale, z * scale) <
      0.55F - static_cast<float>(paste_->crack_share)) {
    return false;
  }
  constexpr double step = 0.5;
  const auto field = [&](double px, double py) {
    return noise::gradient(seed_ + field::cracks, px * scale, py * scale, z * scale) +
           0.03F * noise::gradient(seed_ + field::cracks + 1, px / 8.0, py / 8.0, z / 8.0);
  };
  const double gx = (field(x + step, y) - field(x - step, y)) / (2 * step);
  const double gy = (field(x, y + step) - field(x, y - step)) / (2 * step);
  return std::abs(level) < 0.5 * paste_->crack_width_um * std::sqrt(gx * gx + gy * gy);
}

Material Paste::csh(Phase phase, double x, double y, double z) const {
  if (detail_ == Detail::phase) {
    return {phase, 0, 0};
  }
  const float patch = noise::gradient(seed_ + field::patches, x / patch_wavelength_um, y / patch_wavelength_um,
                                      z / patch_wavelength_um);
  const float fine = noise::fractal(seed_ + field::texture, x, y, z, paste_->texture_um, 6, 0.8F);
  return {phase, (fine - patch) / texture_sd, 0};
}

}  // namespace cemvis

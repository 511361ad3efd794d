#include "specimen_grains.hpp"

#include <algorithm>
#include <cmath>

#include "specimen_noise.hpp"

namespace cemvis {
namespace {

constexpr int slots = 4;  // grains that a cell of a class can hold
// A polyhedron's corners are cut at this multiple of its nominal radius.
constexpr double corner = 1.15;
// Volume of the polyhedra below against a sphere of their nominal radius (mean of 10,000, Monte Carlo).
constexpr double polyhedron_fill = 0.607;
// Grains nearer than this share of the sum of their radii would overlap: the smaller one is left out.
constexpr double touching = 0.8;

struct Seedling {
  double x = 0, y = 0, z = 0;
  double radius = 0;
  std::uint32_t id = 0;
};

std::uint32_t class_seed(const PasteParameters& paste, std::size_t k) {
  return noise::mix(static_cast<std::uint32_t>(paste.seed) ^
                    noise::mix(static_cast<std::uint32_t>(paste.seed >> 32U))) +
         static_cast<std::uint32_t>(k) * 0x632be5abU;
}

// Grains of one class whose centres lie within the box; the cells' edge is the largest diameter of the class.
template <class Visit>
void visit_class(const PasteParameters& paste, std::size_t k, std::array<double, 3> low, std::array<double, 3> high,
                 const Visit& visit) {
  const GrainClass& sizes = paste.grains[k];
  const double edge = 2 * sizes.radius_max_um;
  const double ratio = sizes.radius_max_um / sizes.radius_min_um;
  const double occupied = slots_filled(sizes);
  const std::uint32_t seed = class_seed(paste, k);
  const auto first = [&](int axis) { return static_cast<std::int32_t>(std::floor(low[axis] / edge)); };
  const auto last = [&](int axis) { return static_cast<std::int32_t>(std::floor(high[axis] / edge)); };
  for (std::int32_t c = first(2); c <= last(2); ++c) {
    for (std::int32_t b = first(1); b <= last(1); ++b) {
      for (std::int32_t a = first(0); a <= last(0); ++a) {
        for (int s = 0; s < slots; ++s) {
          const std::uint32_t id = noise::hash(seed + static_cast<std::uint32_t>(s) * 0x1b873593U, a, b, c);
          if (noise::uniform(id, 0) >= occupied) {
            continue;
          }
          const Seedling grain{(a + noise::uniform(id, 1)) * edge, (b + noise::uniform(id, 2)) * edge,
                               (c + noise::uniform(id, 3)) * edge,
                               sizes.radius_min_um * std::pow(ratio, noise::uniform(id, 4)), id};
          visit(grain);
        }
      }
    }
  }
}

// Whether a larger grain, itself kept or not, takes this one's place. Asking for kept grains only would make the
// answer depend on ever farther neighbours; this way it is local, so that tiles agree.
bool crowded_out(const PasteParameters& paste, const Seedling& grain, std::size_t from_class) {
  bool crowded = false;
  for (std::size_t k = from_class; k < paste.grains.size() && !crowded; ++k) {
    const double far = touching * (grain.radius + paste.grains[k].radius_max_um);
    visit_class(paste, k, {grain.x - far, grain.y - far, grain.z - far}, {grain.x + far, grain.y + far, grain.z + far},
                [&](const Seedling& other) {
                  const bool larger =
                      other.radius > grain.radius || (other.radius == grain.radius && other.id > grain.id);
                  const double dx = other.x - grain.x;
                  const double dy = other.y - grain.y;
                  const double dz = other.z - grain.z;
                  const double near = touching * (grain.radius + other.radius);
                  crowded = crowded || (larger && dx * dx + dy * dy + dz * dz < near * near);
                });
  }
  return crowded;
}

Grain grown(const Seedling& seedling) {
  Grain grain{seedling.x, seedling.y, seedling.z, seedling.radius, corner * seedling.radius, seedling.id, {}};
  for (std::uint32_t f = 0; f < grain_faces; ++f) {
    // A direction uniform over the sphere: its cosine is uniform in [-1, 1].
    const double cosine = 2 * noise::uniform(seedling.id, 10 + 3 * f) - 1;
    const double angle = 6.283185307179586 * noise::uniform(seedling.id, 11 + 3 * f);
    const double sine = std::sqrt(1 - cosine * cosine);
    const double height = seedling.radius * (0.5 + 0.45 * noise::uniform(seedling.id, 12 + 3 * f));
    grain.faces[f] = {static_cast<float>(sine * std::cos(angle)), static_cast<float>(sine * std::sin(angle)),
                      static_cast<float>(cosine), static_cast<float>(height)};
  }
  return grain;
}

}  // namespace

double slots_filled(const GrainClass& sizes) {
  const double edge = 2 * sizes.radius_max_um;
  const double ratio = sizes.radius_max_um / sizes.radius_min_um;
  // Mean cube of a log-uniform radius.
  const double mean_cube =
      (std::pow(sizes.radius_max_um, 3) - std::pow(sizes.radius_min_um, 3)) / (3 * std::log(ratio));
  constexpr double sphere = 4.18879020478639;
  return sizes.volume_fraction * edge * edge * edge / (polyhedron_fill * sphere * mean_cube) / slots;
}

float Grain::distance(double px, double py, double pz, float reach) const {
  const auto dx = static_cast<float>(px - x);
  const auto dy = static_cast<float>(py - y);
  const auto dz = static_cast<float>(pz - z);
  const float square = dx * dx + dy * dy + dz * dz;
  const float limit = static_cast<float>(extent) + reach;
  if (square >= limit * limit) {
    return reach;
  }
  float out = std::sqrt(square) - static_cast<float>(extent);
  for (const auto& face : faces) {
    out = std::max(out, face[0] * dx + face[1] * dy + face[2] * dz - face[3]);
  }
  return std::min(out, reach);
}

GrainField::GrainField(const PasteParameters& paste, double x0, double y0, double x1, double y1, double depth_um)
    : x0_(x0),
      y0_(y0),
      columns_x_(static_cast<std::int64_t>((x1 - x0) / column_um) + 1),
      columns_y_(static_cast<std::int64_t>((y1 - y0) / column_um) + 1),
      columns_(static_cast<std::size_t>(columns_x_ * columns_y_)) {
  for (std::size_t k = 0; k < paste.grains.size(); ++k) {
    const double felt = corner * paste.grains[k].radius_max_um + reach_um;
    visit_class(paste, k, {x0 - felt, y0 - felt, -felt}, {x1 + felt, y1 + felt, depth_um + felt},
                [&](const Seedling& seedling) {
                  const double far = corner * seedling.radius + reach_um;
                  const bool felt_here = seedling.x > x0 - far && seedling.x < x1 + far && seedling.y > y0 - far &&
                                         seedling.y < y1 + far && seedling.z > -far && seedling.z < depth_um + far;
                  if (felt_here && !crowded_out(paste, seedling, k)) {
                    grains_.push_back(grown(seedling));
                  }
                });
  }
  for (std::size_t g = 0; g < grains_.size(); ++g) {
    const Grain& grain = grains_[g];
    const double far = grain.extent + reach_um;
    const auto column = [](double offset, std::int64_t count) {
      return std::clamp<std::int64_t>(static_cast<std::int64_t>(std::floor(offset / column_um)), 0, count - 1);
    };
    for (std::int64_t j = column(grain.y - far - y0, columns_y_); j <= column(grain.y + far - y0, columns_y_); ++j) {
      for (std::int64_t i = column(grain.x - far - x0, columns_x_); i <= column(grain.x + far - x0, columns_x_); ++i) {
        columns_[static_cast<std::size_t>(j * columns_x_ + i)].push_back(static_cast<std::uint32_t>(g));
      }
    }
  }
}

GrainField::Nearest GrainField::nearest(double x, double y, double z) const {
  const auto i = std::clamp<std::int64_t>(static_cast<std::int64_t>((x - x0_) / column_um), 0, columns_x_ - 1);
  const auto j = std::clamp<std::int64_t>(static_cast<std::int64_t>((y - y0_) / column_um), 0, columns_y_ - 1);
  Nearest best;
  for (const std::uint32_t g : columns_[static_cast<std::size_t>(j * columns_x_ + i)]) {
    const float distance = grains_[g].distance(x, y, z, static_cast<float>(reach_um));
    // Ties go to the larger id, not to the first in the list: the list's order depends on the tile.
    if (distance < best.distance ||
        (distance == best.distance && best.grain != nullptr && grains_[g].id > best.grain->id)) {
      best = {distance, &grains_[g]};
    }
  }
  return best;
}

}  // namespace cemvis

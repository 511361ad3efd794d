#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>
#include <vector>

#include "cemvis/parallel.hpp"
#include "cemvis/specimen.hpp"
#include "specimen_paste.hpp"

namespace cemvis {
namespace {

struct Offset {
  double x = 0, y = 0, z = 0;
};

// Points of equal weight: radii at the quantiles of 1 - exp(-(r / radius)^1.5), directions over the lower hemisphere.
// Depth, distance and azimuth follow a sequence that fills the unit cube evenly (Roberts' R2 and the index itself), so
// that no direction gets distances of its own.
std::vector<Offset> sample_points(double radius_um, int points) {
  constexpr double plastic = 1.324717957244746;  // the real root of x^3 = x + 1
  std::vector<Offset> offsets;
  offsets.reserve(static_cast<std::size_t>(points));
  for (int k = 0; k < points; ++k) {
    const double place = k + 0.5;
    const double quantile = std::fmod(place / plastic, 1.0) * 0.995;  // the last 0.5 % would reach far
    const double azimuth = 2 * std::numbers::pi * std::fmod(place / (plastic * plastic), 1.0);
    const double cosine = place / points;
    const double sine = std::sqrt(1 - cosine * cosine);
    const double r = radius_um * std::pow(-std::log(1 - quantile), 1 / 1.5);
    offsets.push_back({r * sine * std::cos(azimuth), r * sine * std::sin(azimuth), r * cosine});
  }
  return offsets;
}

ContactVolume felt(const PasteParameters& paste, const Contact& contact, const std::vector<Offset>& offsets,
                   double far) {
  const Paste here(paste, contact.x_um - far, contact.y_um - far, contact.x_um + far, contact.y_um + far, far);
  ContactVolume volume;
  std::array<int, phase_count> count{};
  for (const Offset& o : offsets) {
    const Material m = here.at(contact.x_um + o.x, contact.y_um + o.y, o.z);
    const auto phase = static_cast<std::size_t>(m.phase);
    ++count[phase];
    volume.packing[phase] += m.packing;
    volume.orientation += m.orientation;
  }
  for (std::size_t p = 0; p < count.size(); ++p) {
    volume.share[p] = static_cast<float>(count[p]) / static_cast<float>(offsets.size());
    if (count[p] > 0) {
      volume.packing[p] /= static_cast<float>(count[p]);
    }
  }
  if (const int crystals = count[static_cast<std::size_t>(Phase::ch)]; crystals > 0) {
    volume.orientation /= static_cast<float>(crystals);
  }
  return volume;
}

}  // namespace

void contact_volumes(const PasteParameters& paste, const std::vector<Contact>& contacts, double radius_um, int points,
                     int threads, ContactVolume* volumes) {
  check_paste(paste);
  if (!within(radius_um, 1e-6, 50) || points < 1 || points > 100000) {
    throw std::invalid_argument("radius_um must lie in 0 to 50 and points in 1 to 100000");
  }
  const auto near = [](const Contact& c) {
    return within(c.x_um, -farthest_um, farthest_um) && within(c.y_um, -farthest_um, farthest_um);
  };
  if (!std::ranges::all_of(contacts, near)) {
    throw std::invalid_argument("contacts must lie within 2e7 um of the origin");
  }
  const std::vector<Offset> offsets = sample_points(radius_um, points);
  double far = 0;
  for (const Offset& o : offsets) {
    far = std::max({far, std::abs(o.x), std::abs(o.y), o.z});
  }
  parallel_for(static_cast<std::int64_t>(contacts.size()), threads,
               [&](std::int64_t n) { volumes[n] = felt(paste, contacts[static_cast<std::size_t>(n)], offsets, far); });
}

}  // namespace cemvis

#include <cmath>
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

// Points of equal weight: radii at the quantiles of 1 - exp(-(r / radius)^1.5), directions on a golden spiral over
// the lower hemisphere. The spiral takes the radii in a shuffled order, or depth and distance would go together.
std::vector<Offset> sample_points(double radius_um, int points) {
  constexpr double golden_angle = 2.399963229728653;
  constexpr double golden_ratio = 0.6180339887498949;
  std::vector<Offset> offsets;
  for (int k = 0; k < points; ++k) {
    const double quantile = std::fmod((k + 0.5) * golden_ratio, 1.0) * 0.995;  // the last 0.5 % would reach far
    const double r = radius_um * std::pow(-std::log(1 - quantile), 1 / 1.5);
    const double cosine = (k + 0.5) / points;
    const double sine = std::sqrt(1 - cosine * cosine);
    offsets.push_back({r * sine * std::cos(k * golden_angle), r * sine * std::sin(k * golden_angle), r * cosine});
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
  const std::vector<Offset> offsets = sample_points(radius_um, points);
  double far = 0;
  for (const Offset& o : offsets) {
    far = std::max({far, std::abs(o.x), std::abs(o.y), o.z});
  }
  parallel_for(static_cast<std::int64_t>(contacts.size()), threads,
               [&](std::int64_t n) { volumes[n] = felt(paste, contacts[static_cast<std::size_t>(n)], offsets, far); });
}

}  // namespace cemvis

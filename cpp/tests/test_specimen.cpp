#include <algorithm>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include "cemvis/specimen.hpp"
#include "check.hpp"

namespace {

cemvis::PasteParameters some_paste() {
  cemvis::PasteParameters paste;
  paste.seed = 42;
  paste.grains = {{1, 2, 0.05}, {2, 4, 0.14}, {4, 8, 0.2}};
  paste.outline_coarse_um = 0.35;
  paste.outline_fine_um = 0.12;
  paste.reaction_depth_um = 1.5;
  paste.reaction_spread = 0.3;
  paste.belite_reaction_ratio = 0.5;
  paste.rim_um = 0.4;
  paste.hollow_share = 0.5;
  paste.hollow_gap_um = 0.3;
  paste.crystal_um = 9;
  paste.belite_share = 0.2;
  paste.interstitial_share = 0.12;
  paste.ferrite_share = 0.5;
  paste.ch_wavelength_um = 9;
  paste.ch_threshold = 0.3;
  paste.ch_crystal_um = 5;
  paste.plate_cell_um = 12;
  paste.plate_share = 0.5;
  paste.pore_wavelength_um = 2;
  paste.pore_threshold = 0.45;
  paste.pore_patchiness = 0.15;
  paste.crack_wavelength_um = 90;
  paste.crack_width_um = 0.35;
  paste.crack_share = 0.5;
  paste.texture_um = 6;
  return paste;
}

cemvis::ImageParameters some_image() {
  cemvis::ImageParameters image;
  image.pixel_size_um = 0.1;
  image.eta = {0.05, 0.12, 0.13, 0.15, 0.17, 0.166, 0.164, 0.186};
  image.surface_depth_um = 0.03;
  image.surface_weight = 0.7;
  image.surface_blur_um = 0.1;
  image.layer_depth_um = {0.3};
  image.layer_weight = {0.3};
  image.layer_blur_um = {0.3};
  image.gain = 1200;
  image.read_noise = 3;
  return image;
}

void tiles_agree() {
  const auto paste = some_paste();
  const auto image = some_image();
  constexpr std::ptrdiff_t rows = 150;
  constexpr std::ptrdiff_t cols = 700;
  std::vector<std::uint8_t> whole(static_cast<std::size_t>(rows * cols));
  cemvis::render_bse(paste, image, -20, -650, rows, cols, 3, whole.data());
  CEMVIS_CHECK(*std::ranges::max_element(whole) > *std::ranges::min_element(whole));
  constexpr std::ptrdiff_t h = 40;
  constexpr std::ptrdiff_t w = 90;
  for (const std::ptrdiff_t row : {std::ptrdiff_t{0}, std::ptrdiff_t{33}, rows - h}) {
    for (const std::ptrdiff_t col : {std::ptrdiff_t{0}, std::ptrdiff_t{500}, cols - w}) {
      std::vector<std::uint8_t> part(static_cast<std::size_t>(h * w));
      cemvis::render_bse(paste, image, row - 20, col - 650, h, w, 1, part.data());
      for (std::ptrdiff_t r = 0; r < h; ++r) {
        const auto* line = whole.data() + (row + r) * cols + col;
        CEMVIS_CHECK(std::equal(line, line + w, part.data() + r * w));
      }
    }
  }
}

void every_phase_occurs() {
  std::vector<std::uint8_t> phase(360000);
  cemvis::phase_plane(some_paste(), 0.4, 0.5, 0, 0, 600, 600, 2, phase.data());
  for (int p = 0; p < cemvis::phase_count; ++p) {
    CEMVIS_CHECK(std::ranges::count(phase, p) > 100);
  }
}

void contacts_feel_everything_once() {
  const std::vector<cemvis::Contact> contacts = {{0, 0}, {-40.5, 17}, {300, 1e4}};
  std::vector<cemvis::ContactVolume> volumes(contacts.size());
  cemvis::contact_volumes(some_paste(), contacts, 2.0, 100, 2, volumes.data());
  for (const auto& volume : volumes) {
    float sum = 0;
    for (const float share : volume.share) {
      sum += share;
    }
    CEMVIS_CHECK(sum > 0.9999F && sum < 1.0001F);
  }
}

void wrong_arguments_throw() {
  std::uint8_t grey = 0;
  auto paste = some_paste();
  auto image = some_image();
  CEMVIS_CHECK_THROWS(cemvis::render_bse(paste, image, 0, 0, 0, 1, 1, &grey), std::invalid_argument);
  image.layer_weight.clear();
  CEMVIS_CHECK_THROWS(cemvis::render_bse(paste, image, 0, 0, 1, 1, 1, &grey), std::invalid_argument);
  const auto refused = [&grey](auto change) {
    auto bad = some_image();
    change(bad);
    CEMVIS_CHECK_THROWS(cemvis::render_bse(some_paste(), bad, 0, 0, 1, 1, 1, &grey), std::invalid_argument);
  };
  refused([](auto& bad) { bad.offset = std::numeric_limits<double>::quiet_NaN(); });
  refused([](auto& bad) { bad.gain = std::numeric_limits<double>::infinity(); });
  refused([](auto& bad) { bad.eta[3] = 1e300; });
  refused([](auto& bad) { bad.read_noise = -1; });
  refused([](auto& bad) { bad.surface_depth_um = -3; });
  refused([](auto& bad) { bad.layer_depth_um[0] = 1e9; });
  constexpr std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  image = some_image();
  CEMVIS_CHECK_THROWS(cemvis::render_bse(paste, image, 1, 0, huge, 1, 1, &grey), std::invalid_argument);
  CEMVIS_CHECK_THROWS(cemvis::render_bse(paste, image, huge, 0, 1, 1, 1, &grey), std::invalid_argument);
  CEMVIS_CHECK_THROWS(cemvis::phase_plane(paste, 10, 0, 500000000, 0, 1, 1, 1, &grey), std::invalid_argument);
  paste.grains.clear();
  CEMVIS_CHECK_THROWS(cemvis::phase_plane(paste, 0.1, 0, 0, 0, 1, 1, 1, &grey), std::invalid_argument);
  cemvis::ContactVolume volume;
  CEMVIS_CHECK_THROWS(cemvis::contact_volumes(some_paste(), {{0, 0}}, -1, 10, 1, &volume), std::invalid_argument);
}

}  // namespace

int main() {
  tiles_agree();
  every_phase_occurs();
  contacts_feel_everything_once();
  wrong_arguments_throw();
}

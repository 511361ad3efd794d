#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>
#include <string>
#include <vector>

#include "cemvis/parallel.hpp"
#include "cemvis/specimen.hpp"
#include "specimen_noise.hpp"
#include "specimen_paste.hpp"

namespace cemvis {
namespace {

constexpr std::int64_t tile_px = 512;  // rendered at once by one thread
constexpr std::int64_t coarse = 4;     // pixels per node of the grid that deeper layers are resolved on

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - static_cast<std::int64_t>(a % b < 0); }

// A rectangle of samples of a plane: sample (j, i) lies at ((col + i) * spacing, (row + j) * spacing).
struct Plane {
  std::int64_t row = 0, col = 0, rows = 0, cols = 0;
  std::vector<float> value;
  Plane(std::int64_t r, std::int64_t c, std::int64_t nr, std::int64_t nc)
      : row(r), col(c), rows(nr), cols(nc), value(static_cast<std::size_t>(nr * nc)) {}
  [[nodiscard]] float* line(std::int64_t j) { return value.data() + j * cols; }
  [[nodiscard]] const float* line(std::int64_t j) const { return value.data() + j * cols; }
};

// Half a Gaussian kernel, centre first, cut at three standard deviations and normalised.
std::vector<float> gaussian(double sd) {
  const auto radius = static_cast<int>(std::ceil(3 * sd));
  std::vector<double> weight;
  weight.reserve(static_cast<std::size_t>(radius) + 1);
  double sum = 0;
  for (int k = 0; k <= radius; ++k) {
    weight.push_back(sd > 0 ? std::exp(-0.5 * k * k / (sd * sd)) : 1.0);
    sum += (k == 0 ? 1 : 2) * weight.back();
  }
  std::vector<float> kernel;
  kernel.reserve(weight.size());
  for (const double w : weight) {
    kernel.push_back(static_cast<float>(w / sum));
  }
  return kernel;
}

// Blurs a plane whose margin is at least the kernel's radius; the result is smaller by that radius on each side.
// Each output is summed in one fixed order, so its bits don't depend on where the plane begins.
Plane blurred(const Plane& in, const std::vector<float>& kernel) {
  const auto radius = static_cast<std::int64_t>(kernel.size()) - 1;
  Plane across(in.row, in.col + radius, in.rows, in.cols - 2 * radius);
  for (std::int64_t j = 0; j < across.rows; ++j) {
    const float* from = in.line(j) + radius;
    float* to = across.line(j);
    for (std::int64_t i = 0; i < across.cols; ++i) {
      to[i] = kernel[0] * from[i];
    }
    for (std::int64_t k = 1; k <= radius; ++k) {
      const float w = kernel[static_cast<std::size_t>(k)];
      for (std::int64_t i = 0; i < across.cols; ++i) {
        to[i] += w * (from[i - k] + from[i + k]);
      }
    }
  }
  Plane out(in.row + radius, in.col + radius, in.rows - 2 * radius, in.cols - 2 * radius);
  for (std::int64_t j = 0; j < out.rows; ++j) {
    float* to = out.line(j);
    const float* centre = across.line(j + radius);
    for (std::int64_t i = 0; i < out.cols; ++i) {
      to[i] = kernel[0] * centre[i];
    }
    for (std::int64_t k = 1; k <= radius; ++k) {
      const float w = kernel[static_cast<std::size_t>(k)];
      const float* above = across.line(j + radius - k);
      const float* below = across.line(j + radius + k);
      for (std::int64_t i = 0; i < out.cols; ++i) {
        to[i] += w * (above[i] + below[i]);
      }
    }
  }
  return out;
}

void fill_eta(const Paste& paste, const ImageParameters& image, double spacing, double depth, Plane& plane) {
  for (std::int64_t j = 0; j < plane.rows; ++j) {
    const double y = static_cast<double>(plane.row + j) * spacing;
    float* to = plane.line(j);
    for (std::int64_t i = 0; i < plane.cols; ++i) {
      const Material m = paste.at(static_cast<double>(plane.col + i) * spacing, y, depth);
      const auto phase = static_cast<std::size_t>(m.phase);
      to[i] = static_cast<float>(image.eta[phase] + image.eta_per_packing[phase] * static_cast<double>(m.packing));
    }
  }
}

// A normal number for a pixel from four 16-bit pieces of hashes: their sum's tails end at 3.5 sd, which eight bits of
// grey can't show.
float pixel_noise(std::uint32_t seed, std::int64_t row, std::int64_t col) {
  const std::uint32_t a = noise::hash(seed, static_cast<std::int32_t>(row), static_cast<std::int32_t>(col), 1);
  const std::uint32_t b = noise::mix(a + 0x9e3779b9U);
  const auto sum = static_cast<float>((a & 0xffffU) + (a >> 16U) + (b & 0xffffU) + (b >> 16U));
  return (sum * 0x1p-16F - 2.0F) * std::numbers::sqrt3_v<float>;
}

class Renderer {
 public:
  Renderer(const PasteParameters& paste, const ImageParameters& image)
      : paste_(&paste),
        image_(&image),
        surface_kernel_(gaussian(image.surface_blur_um / image.pixel_size_um)),
        margin_(static_cast<std::int64_t>(surface_kernel_.size()) - 1) {
    for (const double sd : image.layer_blur_um) {
      layer_kernels_.push_back(gaussian(sd / (image.pixel_size_um * static_cast<double>(coarse))));
      coarse_margin_ = std::max(coarse_margin_, static_cast<std::int64_t>(layer_kernels_.back().size()) - 1);
    }
  }

  // Grey levels of one tile, written to `grey` whose rows are `stride` apart.
  void tile(std::int64_t row, std::int64_t col, std::int64_t rows, std::int64_t cols, std::uint8_t* grey,
            std::int64_t stride) const {
    const double px = image_->pixel_size_um;
    const double halo = px * static_cast<double>(std::max(margin_, coarse * (coarse_margin_ + 2)));
    double depth = image_->surface_depth_um;
    for (const double d : image_->layer_depth_um) {
      depth = std::max(depth, d);
    }
    const Paste paste(*paste_, static_cast<double>(col) * px - halo, static_cast<double>(row) * px - halo,
                      static_cast<double>(col + cols) * px + halo, static_cast<double>(row + rows) * px + halo, depth);
    Plane surface(row - margin_, col - margin_, rows + 2 * margin_, cols + 2 * margin_);
    fill_eta(paste, *image_, px, image_->surface_depth_um, surface);
    const Plane sharp = blurred(surface, surface_kernel_);
    const Plane deep = layers(paste, row, col, rows, cols);
    const auto seed = static_cast<std::uint32_t>(paste_->seed) ^
                      noise::mix(static_cast<std::uint32_t>(paste_->seed >> 32U)) ^ 0x2545f491U;
    for (std::int64_t j = 0; j < rows; ++j) {
      const float* fine = sharp.line(j);
      for (std::int64_t i = 0; i < cols; ++i) {
        const float eta = static_cast<float>(image_->surface_weight) * fine[i] + between(deep, row + j, col + i);
        const float variance = std::max(0.0F, static_cast<float>(image_->shot_noise) * eta +
                                                  static_cast<float>(image_->read_noise * image_->read_noise));
        const float level = static_cast<float>(image_->offset) + static_cast<float>(image_->gain) * eta +
                            std::sqrt(variance) * pixel_noise(seed, row + j, col + i);
        grey[j * stride + i] = static_cast<std::uint8_t>(std::clamp(level + 0.5F, 0.0F, 255.0F));
      }
    }
  }

 private:
  // The weighted sum of the blurred deeper layers on the coarse grid's nodes around a tile.
  [[nodiscard]] Plane layers(const Paste& paste, std::int64_t row, std::int64_t col, std::int64_t rows,
                             std::int64_t cols) const {
    const std::int64_t first_row = floor_div(row, coarse);
    const std::int64_t first_col = floor_div(col, coarse);
    const std::int64_t node_rows = floor_div(row + rows - 1, coarse) - first_row + 2;
    const std::int64_t node_cols = floor_div(col + cols - 1, coarse) - first_col + 2;
    Plane sum(first_row, first_col, node_rows, node_cols);
    for (std::size_t k = 0; k < layer_kernels_.size(); ++k) {
      const auto margin = static_cast<std::int64_t>(layer_kernels_[k].size()) - 1;
      Plane layer(first_row - margin, first_col - margin, node_rows + 2 * margin, node_cols + 2 * margin);
      fill_eta(paste, *image_, image_->pixel_size_um * static_cast<double>(coarse), image_->layer_depth_um[k], layer);
      const Plane soft = blurred(layer, layer_kernels_[k]);
      const auto weight = static_cast<float>(image_->layer_weight[k]);
      for (std::size_t n = 0; n < sum.value.size(); ++n) {
        sum.value[n] += weight * soft.value[n];
      }
    }
    return sum;
  }

  // Bilinear interpolation between the coarse nodes.
  static float between(const Plane& nodes, std::int64_t row, std::int64_t col) {
    const std::int64_t j = floor_div(row, coarse);
    const std::int64_t i = floor_div(col, coarse);
    const float v = static_cast<float>(row - j * coarse) / static_cast<float>(coarse);
    const float u = static_cast<float>(col - i * coarse) / static_cast<float>(coarse);
    const float* top = nodes.line(j - nodes.row) + (i - nodes.col);
    const float* bottom = top + nodes.cols;
    return noise::lerp(noise::lerp(top[0], top[1], u), noise::lerp(bottom[0], bottom[1], u), v);
  }

  const PasteParameters* paste_;
  const ImageParameters* image_;
  std::vector<float> surface_kernel_;
  std::vector<std::vector<float>> layer_kernels_;
  std::int64_t margin_ = 0;
  std::int64_t coarse_margin_ = 0;
};

void check_window(double pixel_size_um, std::int64_t row, std::int64_t col, std::int64_t rows, std::int64_t cols) {
  if (!within(pixel_size_um, 1e-3, 10)) {
    throw std::invalid_argument("pixel_size_um must lie in 0.001 to 10");
  }
  constexpr std::int64_t far = 1073741824;  // lattice indices are 32-bit
  if (rows < 1 || cols < 1 || row < -far || col < -far || row > far || col > far || rows > far - row ||
      cols > far - col) {
    throw std::invalid_argument("the window must hold pixels and lie within 2^30 pixels of the origin");
  }
  const double reach = pixel_size_um * static_cast<double>(std::max({-row, -col, row + rows, col + cols}));
  if (reach > farthest_um) {
    throw std::invalid_argument("the window must lie within 20 m of the origin");
  }
}

// Also bounds what is converted to float, where a large double is undefined.
void check_image(const ImageParameters& image) {
  const auto require = [](bool right, const char* what) {
    if (!right) {
      throw std::invalid_argument(std::string("image: ") + what);
    }
  };
  require(image.layer_weight.size() == image.layer_depth_um.size() &&
              image.layer_blur_um.size() == image.layer_depth_um.size(),
          "each layer needs a depth, a weight and a blur");
  const auto blurs = [&](double sd) { return within(sd, 0, 100 * image.pixel_size_um); };
  require(blurs(image.surface_blur_um) && std::ranges::all_of(image.layer_blur_um, blurs),
          "a blur must lie in 0 to 100 pixels");
  const auto below = [](double depth) { return within(depth, 0, 100); };
  require(below(image.surface_depth_um) && std::ranges::all_of(image.layer_depth_um, below),
          "a depth must lie in 0 to 100 um");
  const auto moderate = [](double value) { return within(value, -1e6, 1e6); };
  require(std::ranges::all_of(image.eta, moderate) && std::ranges::all_of(image.eta_per_packing, moderate) &&
              std::ranges::all_of(image.layer_weight, moderate) && moderate(image.surface_weight) &&
              moderate(image.gain) && moderate(image.offset),
          "eta, weights, gain and offset must be finite, -1e6 to 1e6");
  require(within(image.read_noise, 0, 1e6) && within(image.shot_noise, 0, 1e6), "noise must lie in 0 to 1e6");
}

// Calls body(row, col, rows, cols) for the tiles of a window, on several threads.
template <class Body>
void for_tiles(std::int64_t rows, std::int64_t cols, int threads, const Body& body) {
  const std::int64_t down = (rows + tile_px - 1) / tile_px;
  const std::int64_t across = (cols + tile_px - 1) / tile_px;
  parallel_for(down * across, threads, [&](std::int64_t t) {
    const std::int64_t r = t / across * tile_px;
    const std::int64_t c = t % across * tile_px;
    body(r, c, std::min(tile_px, rows - r), std::min(tile_px, cols - c));
  });
}

}  // namespace

void render_bse(const PasteParameters& paste, const ImageParameters& image, std::int64_t row, std::int64_t col,
                std::int64_t rows, std::int64_t cols, int threads, std::uint8_t* grey) {
  check_paste(paste);
  check_window(image.pixel_size_um, row, col, rows, cols);
  check_image(image);
  const Renderer renderer(paste, image);
  for_tiles(rows, cols, threads, [&](std::int64_t r, std::int64_t c, std::int64_t nr, std::int64_t nc) {
    renderer.tile(row + r, col + c, nr, nc, grey + r * cols + c, cols);
  });
}

void phase_plane(const PasteParameters& paste, double pixel_size_um, double depth_um, std::int64_t row,
                 std::int64_t col, std::int64_t rows, std::int64_t cols, int threads, std::uint8_t* phase) {
  check_paste(paste);
  check_window(pixel_size_um, row, col, rows, cols);
  if (!within(depth_um, 0, 100)) {
    throw std::invalid_argument("depth_um must lie in 0 to 100");
  }
  for_tiles(rows, cols, threads, [&](std::int64_t r, std::int64_t c, std::int64_t nr, std::int64_t nc) {
    const double x0 = static_cast<double>(col + c) * pixel_size_um;
    const double y0 = static_cast<double>(row + r) * pixel_size_um;
    const Paste here(paste, x0, y0, x0 + static_cast<double>(nc) * pixel_size_um,
                     y0 + static_cast<double>(nr) * pixel_size_um, depth_um, Paste::Detail::phase);
    for (std::int64_t j = 0; j < nr; ++j) {
      for (std::int64_t i = 0; i < nc; ++i) {
        const Material m = here.at(static_cast<double>(col + c + i) * pixel_size_um,
                                   static_cast<double>(row + r + j) * pixel_size_um, depth_um);
        phase[(r + j) * cols + c + i] = static_cast<std::uint8_t>(m.phase);
      }
    }
  });
}

}  // namespace cemvis

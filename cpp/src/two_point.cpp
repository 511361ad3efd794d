#include "cemvis/two_point.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cemvis/parallel.hpp"
#include "two_point_parts.hpp"

namespace cemvis {
namespace pairs {
namespace {

// Seconds, measured: of a pair of places counted directly in many pair codes, two at a time and more at a time; of
// dropping an invalid one; of a pair of valid pixels counted in few and in many codes; of a line for each displacement.
constexpr double kDirectPair = 0.45e-9;
constexpr double kDirectTwo = 0.25e-9;
constexpr double kDirectMany = 0.2e-9;
constexpr double kCompact = 0.5e-9;
constexpr double kEnumeratedFew = 2e-9;
constexpr double kEnumeratedMany = 6e-9;
constexpr double kDirectLine = 8e-9;
constexpr double kEnumeratedLine = 6e-9;

struct PairTotals {
  double places = 0.0;  // pairs of places, valid or not
  double lines = 0.0;   // of them, counted line by line
  double line_shifts = 0.0;
};

PairTotals pair_totals(const Survey& survey, std::int64_t r_max) {
  const auto& shape = survey.request.image.shape;
  const auto cols = static_cast<double>(shape[2]);
  const double pixels = static_cast<double>(survey.request.image.pixels()) /
                        static_cast<double>(shape[static_cast<std::size_t>(survey.core_axis())]) *
                        static_cast<double>(survey.core_end - survey.core_begin);
  PairTotals totals;
  for (std::int64_t r = 0; r <= r_max; ++r) {
    // The mean displacement of a ring leaves about this share of a line.
    const double inside =
        survey.request.periodic ? 1.0 : std::max(0.1, 1 - 0.64 * static_cast<double>(r) / std::max(cols, 1.0));
    const double shifts = ring_size(r, survey.volume, survey.cross) * inside;
    totals.places += shifts * pixels * inside;
    totals.lines += shifts * pixels / cols;
  }
  const double lines_reached = survey.volume ? static_cast<double>(4 * r_max * r_max) : static_cast<double>(2 * r_max);
  totals.line_shifts = (lines_reached + 1) * pixels / cols;
  return totals;
}

// How many pair codes there are.
double pair_codes(const Survey& survey) {
  if (survey.cross && survey.request.statistic == PairStatistic::levels) {
    return static_cast<double>(survey.first.size()) * static_cast<double>(survey.second.size());
  }
  const auto levels = static_cast<double>(survey.both.size());
  const double codes = levels * (levels + 1) / 2;
  return survey.request.statistic == PairStatistic::levels ? codes : std::min(codes, survey.span() + 1.0);
}

double direct_seconds(const Survey& survey, const PairTotals& totals) {
  const double codes = pair_codes(survey);
  double counted = codes > 25 ? kDirectTwo : kDirectMany;
  if (codes > 257) {
    counted = kDirectPair;
  }
  const double each = survey.masked() ? kCompact + counted * survey.valid_share : counted;
  return totals.places * each + totals.lines * kDirectLine;
}

}  // namespace

PairPlan plan(const Survey& survey, std::int64_t r_max, int threads) {
  const PairTotals totals = pair_totals(survey, r_max);
  PairPlan plan;
  plan.direct_s = direct_seconds(survey, totals) / threads;
  const double enumerated =
      pair_codes(survey) * static_cast<double>(r_max + 1) <= 262144 ? kEnumeratedFew : kEnumeratedMany;
  plan.enumeration_s =
      (totals.places * survey.valid_share * enumerated + totals.line_shifts * kEnumeratedLine) / threads;
  plan.fourier_s = fourier_seconds(survey, r_max, threads);
  plan.chosen = PairAlgorithm::direct;
  double best = plan.direct_s;
  if (plan.enumeration_s < best) {
    plan.chosen = PairAlgorithm::enumeration;
    best = plan.enumeration_s;
  }
  if (plan.fourier_s < best) {
    plan.chosen = PairAlgorithm::fourier;
  }
  return plan;
}

namespace {

void check_reach(const Survey& survey, std::int64_t r_max) {
  const std::int64_t largest = largest_ring(survey.request);
  if (r_max < 0 || r_max > largest) {
    throw std::invalid_argument("r_max is " + std::to_string(r_max) + "; wanted 0 to " + std::to_string(largest) +
                                (survey.request.periodic ? ", half the shortest side of the periodic image"
                                                         : ", the largest distance in the image"));
  }
}

void check_sizes(const PairRequest& request, std::int64_t bins, std::size_t counts, std::size_t pairs) {
  if (std::cmp_not_equal(counts, bins * pair_cells(request)) || std::cmp_not_equal(pairs, bins)) {
    throw std::invalid_argument("counts and pairs must have a place for each bin and cell");
  }
}

void add_totals(std::span<const std::uint64_t> counts, std::int64_t cells, std::span<std::uint64_t> pairs) {
  for (std::size_t bin = 0; bin < pairs.size(); ++bin) {
    const auto of_bin = counts.subspan(bin * static_cast<std::size_t>(cells), static_cast<std::size_t>(cells));
    pairs[bin] = std::accumulate(of_bin.begin(), of_bin.end(), std::uint64_t{0});
  }
}

Place radial_reach(const Survey& survey, std::int64_t r_max) { return {survey.volume ? r_max : 0, r_max, r_max}; }

}  // namespace
}  // namespace pairs

PairAlgorithm pair_algorithm_named(std::string_view name) {
  for (const auto algorithm :
       {PairAlgorithm::automatic, PairAlgorithm::direct, PairAlgorithm::fourier, PairAlgorithm::enumeration}) {
    if (name == pair_algorithm_name(algorithm)) {
      return algorithm;
    }
  }
  throw std::invalid_argument("algorithm is \"" + std::string(name) + "\"; wanted auto, direct, fourier or pairs");
}

const char* pair_algorithm_name(PairAlgorithm algorithm) {
  switch (algorithm) {
    case PairAlgorithm::direct:
      return "direct";
    case PairAlgorithm::fourier:
      return "fourier";
    case PairAlgorithm::enumeration:
      return "pairs";
    case PairAlgorithm::automatic:
      break;
  }
  return "auto";
}

std::int64_t pair_cells(const PairRequest& request) {
  const std::int64_t levels = request.levels;
  if (request.statistic == PairStatistic::differences) {
    return levels;
  }
  return request.other.data != nullptr ? levels * levels : levels * (levels + 1) / 2;
}

std::int64_t largest_ring(const PairRequest& request) {
  const auto& shape = request.image.shape;
  if (request.periodic) {
    const std::int64_t deep = shape[0] > 1 ? shape[0] : std::numeric_limits<std::int64_t>::max();
    return std::min({deep, shape[1], shape[2], 2 * kLargestRing}) / 2;
  }
  std::int64_t square = 0;
  for (const auto length : shape) {
    square += (length - 1) * (length - 1);
  }
  return std::min(pairs::ring_of_square(square), kLargestRing);
}

PairPlan plan_radial_pairs(const PairRequest& request, std::int64_t r_max, int threads) {
  const pairs::Survey survey = pairs::survey(request);
  pairs::check_reach(survey, r_max);
  return pairs::plan(survey, r_max, std::max(threads, 1));
}

PairAlgorithm radial_pair_counts(const PairRequest& request, std::int64_t r_max, PairAlgorithm algorithm,
                                 std::span<std::uint64_t> counts, std::span<std::uint64_t> pairs, int threads,
                                 Simd level) {
  const pairs::Survey survey = pairs::survey(request);
  pairs::check_reach(survey, r_max);
  pairs::check_sizes(request, r_max + 1, counts.size(), pairs.size());
  if (threads < 1) {
    throw std::invalid_argument("threads must be at least 1");
  }
  if (algorithm == PairAlgorithm::automatic) {
    algorithm = pairs::plan(survey, r_max, threads).chosen;
  }
  if (algorithm == PairAlgorithm::fourier && survey.volume) {
    throw std::invalid_argument("the fourier algorithm takes images, not volumes; choose auto, direct or pairs");
  }
  pairs::Result result(counts, pair_cells(request), r_max + 1);
  if (algorithm == PairAlgorithm::fourier && !pairs::count_by_fourier(survey, r_max, result, threads, level)) {
    algorithm = PairAlgorithm::direct;
  }
  if (algorithm != PairAlgorithm::fourier) {
    const pairs::Place reach = pairs::radial_reach(survey, r_max);
    const pairs::Bins rings{r_max + 1, reach,
                            [&survey](std::int64_t r) { return pairs::ring_shifts(r, survey.volume, survey.cross); }};
    for (const auto& problem : pairs::problems(survey, reach)) {
      if (algorithm == PairAlgorithm::enumeration) {
        pairs::enumerate_pairs(problem, r_max, result, threads, level);
      } else {
        pairs::count_directly(problem, rings, result, threads, level);
      }
    }
  }
  pairs::add_totals(counts, result.cells(), pairs);
  return algorithm;
}

void directional_pair_counts(const PairRequest& request, std::int64_t dy_max, std::int64_t dx_max,
                             std::span<std::uint64_t> counts, std::span<std::uint64_t> pairs, int threads, Simd level) {
  const pairs::Survey survey = pairs::survey(request);
  if (survey.volume) {
    throw std::invalid_argument("directional counts take an image, not a volume");
  }
  const auto& shape = request.image.shape;
  const std::int64_t most_rows = request.periodic ? shape[1] / 2 : shape[1] - 1;
  const std::int64_t most_cols = request.periodic ? shape[2] / 2 : shape[2] - 1;
  if (dy_max < 0 || dy_max > most_rows || dx_max < 0 || dx_max > most_cols) {
    throw std::invalid_argument("dy_max and dx_max are " + std::to_string(dy_max) + " and " + std::to_string(dx_max) +
                                "; wanted 0 to " + std::to_string(most_rows) + " and 0 to " +
                                std::to_string(most_cols));
  }
  const std::int64_t first_dy = survey.cross ? -dy_max : 0;
  const std::int64_t wide = 2 * dx_max + 1;
  const std::int64_t bins = (dy_max - first_dy + 1) * wide;
  pairs::check_sizes(request, bins, counts.size(), pairs.size());
  const pairs::Place reach{0, dy_max, dx_max};
  const pairs::Bins directions{bins, reach, [=, &survey](std::int64_t bin) {
                                 const std::int64_t dy = first_dy + bin / wide;
                                 const std::int64_t dx = bin % wide - dx_max;
                                 const bool behind = !survey.cross && dy == 0 && dx < 0;
                                 return behind ? std::vector<pairs::Shift>{} : std::vector<pairs::Shift>{{0, dy, dx}};
                               }};
  pairs::Result result(counts, pair_cells(request), bins);
  for (const auto& problem : pairs::problems(survey, reach)) {
    pairs::count_directly(problem, directions, result, threads, level);
  }
  pairs::add_totals(counts, result.cells(), pairs);
}

}  // namespace cemvis

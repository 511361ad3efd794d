#pragma once

// The inner loops of the difference matrix, compiled once for each SIMD level.

#include <cstdint>

#include "cemvis/simd.hpp"

namespace cemvis {

// Maps along either side of a tile.
inline constexpr std::int64_t kTileMaps = 4;
// Pixels of a block come in multiples of it; those beyond the last one are 0 in all maps.
inline constexpr std::int64_t kDifferenceChunkPx = 256;

template <class T>
struct DifferenceSum {
  using Type = std::uint64_t;
};
template <>
struct DifferenceSum<float> {
  using Type = double;
};
template <>
struct DifferenceSum<double> {
  using Type = double;
};

// Fills sums[i * kTileMaps + j] with the sum of |a - b| over `count` pixels of the i-th row from `a` and the j-th from
// `b`. Rows lie `stride` apart and begin at multiples of 64 bytes.
template <class T>
using DifferenceTile = void (*)(const T* a, const T* b, std::int64_t stride, std::int64_t count,
                                typename DifferenceSum<T>::Type* sums);

struct DifferenceLoops {
  DifferenceTile<std::uint8_t> of8;
  DifferenceTile<std::uint16_t> of16;
  DifferenceTile<float> of_float;
  DifferenceTile<double> of_double;
};

// Constants, so that no code of a level runs before it is asked for.
namespace baseline {
extern const DifferenceLoops difference_loops;
}
namespace avx2 {
extern const DifferenceLoops difference_loops;
}
namespace avx512 {
extern const DifferenceLoops difference_loops;
}

const DifferenceLoops& difference_loops(Simd level);

}  // namespace cemvis

// Compiled once for each SIMD level, with CEMVIS_SIMD_LEVEL as the namespace; the rules of tiling_rows.cpp hold here
// too. Whole blocks are done, beyond the count if need be: kPairSlack.

#include <cstring>

#include "two_point_loops.hpp"

namespace cemvis::CEMVIS_SIMD_LEVEL {
namespace {

constexpr std::int64_t kBlock = 32;
static_assert(kBlock <= kPairSlack);

// The codes of two pixels. The even one of high and high + 1 is halved first, or 256 * 257 would not fit.
inline std::uint16_t triangular_code(std::uint16_t a, std::uint16_t b) {
  const std::uint16_t high = a > b ? a : b;
  const std::uint16_t low = a > b ? b : a;
  const auto half = static_cast<std::uint16_t>(static_cast<std::uint16_t>(high + 1U) >> 1U);
  const auto odd = static_cast<std::uint16_t>(high | 1U);
  return static_cast<std::uint16_t>(static_cast<std::uint16_t>(half * odd) + low);
}

inline std::uint16_t ordered_code(std::uint16_t a, std::uint16_t b) {
  const auto sum = static_cast<std::uint16_t>(a + b);
  return sum < a ? static_cast<std::uint16_t>(0xFFFFU) : sum;
}

inline std::uint16_t difference_code(std::uint16_t a, std::uint16_t b) {
  return static_cast<std::uint16_t>((a > b ? a : b) - (a > b ? b : a));
}

template <std::uint16_t (*Code)(std::uint16_t, std::uint16_t)>
void each_with_each(const std::uint16_t* __restrict a, const std::uint16_t* __restrict b, std::int64_t count,
                    std::uint16_t* __restrict out) {
  for (std::int64_t x = 0; x < count; x += kBlock) {
    for (std::int64_t i = x; i < x + kBlock; ++i) {
      out[i] = Code(a[i], b[i]);
    }
  }
}

// Pixels of a sparse mask: a block holds most of what lies in one line within reach, so that no jump has to be guessed.
template <std::uint16_t (*Code)(std::uint16_t, std::uint16_t)>
void one_with_each(std::uint16_t mine, const std::uint32_t* __restrict bases, const std::int32_t* __restrict cols,
                   const std::uint16_t* __restrict codes, std::int64_t count, std::uint32_t* __restrict out) {
  constexpr std::int64_t kFew = 16;
#pragma GCC unroll 1
  for (std::int64_t x = 0; x < count; x += kFew) {
    std::uint16_t pairs[kFew];  // NOLINT(modernize-avoid-c-arrays,cppcoreguidelines-avoid-c-arrays)
    for (std::int64_t i = 0; i < kFew; ++i) {
      pairs[i] = Code(mine, codes[x + i]);
    }
    for (std::int64_t i = 0; i < kFew; ++i) {
      out[x + i] = bases[cols[x + i]] + pairs[i];
    }
  }
}

// Codes are made a block at a time just before they are counted: the counters' loads and stores, one a cycle, leave
// room for the arithmetic of the block that follows.
inline void count_block(const std::uint16_t* codes, std::int64_t count, std::uint16_t* cells) {
  if (count < kBlock) {
    for (std::int64_t i = 0; i < count; ++i) {
      ++cells[codes[i]];
    }
    return;
  }
  for (std::int64_t i = 0; i < kBlock; i += 4) {
    std::uint64_t four = 0;
    std::memcpy(&four, codes + i, sizeof four);
    ++cells[four & 0xFFFFU];
    ++cells[(four >> 16U) & 0xFFFFU];
    ++cells[(four >> 32U) & 0xFFFFU];
    ++cells[four >> 48U];
  }
}

void count_triangular(const std::uint16_t* __restrict a, const std::uint16_t* __restrict b, std::int64_t count,
                      std::uint16_t* cells) {
  for (std::int64_t x = 0; x < count; x += kBlock) {
    std::uint16_t codes[kBlock];  // NOLINT(modernize-avoid-c-arrays,cppcoreguidelines-avoid-c-arrays)
    for (std::int64_t i = 0; i < kBlock; ++i) {
      codes[i] = triangular_code(a[x + i], b[x + i]);
    }
    count_block(codes, count - x, cells);
  }
}

void count_differences(const std::uint16_t* __restrict a, const std::uint16_t* __restrict b,
                       const std::uint16_t* __restrict a2, const std::uint16_t* __restrict b2, std::int64_t count,
                       std::uint16_t* cells) {
  for (std::int64_t x = 0; x < count; x += kBlock) {
    std::uint16_t codes[kBlock];  // NOLINT(modernize-avoid-c-arrays,cppcoreguidelines-avoid-c-arrays)
    for (std::int64_t i = 0; i < kBlock; ++i) {
      codes[i] = triangular_code(difference_code(a[x + i], b[x + i]), difference_code(a2[x + i], b2[x + i]));
    }
    count_block(codes, count - x, cells);
  }
}

std::int64_t compact(std::uint16_t* codes, std::int64_t count, std::uint16_t limit) {
  std::int64_t kept = 0;
  for (std::int64_t x = 0; x < count; ++x) {
    const std::uint16_t code = codes[x];
    codes[kept] = code;
    kept += static_cast<std::int64_t>(code < limit);
  }
  return kept;
}

void join(std::uint16_t* codes, std::int64_t count, std::int64_t group, std::uint16_t base) {
  for (std::int64_t x = 0; x < count; x += kBlock) {
    std::uint16_t joined[kBlock];  // NOLINT(modernize-avoid-c-arrays,cppcoreguidelines-avoid-c-arrays)
    std::memcpy(joined, codes + (group - 1) * count + x, sizeof joined);
    for (std::int64_t p = group - 2; p >= 0; --p) {
      const std::uint16_t* part = codes + p * count + x;
      for (std::int64_t i = 0; i < kBlock; ++i) {
        joined[i] = static_cast<std::uint16_t>(static_cast<std::uint16_t>(joined[i] * base) + part[i]);
      }
    }
    // The last block may run into the next part, whose first codes are still wanted: no more than the count is written.
    const std::int64_t left = count - x < kBlock ? count - x : kBlock;
    for (std::int64_t i = 0; i < left; ++i) {
      codes[x + i] = joined[i];
    }
  }
}

void count_up(const std::uint16_t* codes, std::int64_t count, std::uint16_t* cells, std::int64_t stride) {
  std::uint16_t* others = cells + stride;
  std::int64_t x = 0;
  for (; x + 8 <= count; x += 8) {
    // Two loads of four codes: the loads and stores of the cells are what limits the loop.
    std::uint64_t near = 0;
    std::uint64_t far = 0;
    std::memcpy(&near, codes + x, sizeof near);
    std::memcpy(&far, codes + x + 4, sizeof far);
    ++cells[near & 0xFFFFU];
    ++others[(near >> 16U) & 0xFFFFU];
    ++cells[(near >> 32U) & 0xFFFFU];
    ++others[near >> 48U];
    ++cells[far & 0xFFFFU];
    ++others[(far >> 16U) & 0xFFFFU];
    ++cells[(far >> 32U) & 0xFFFFU];
    ++others[far >> 48U];
  }
  for (; x < count; ++x) {
    ++cells[codes[x]];
  }
}

void widen(std::uint16_t* __restrict cells, std::int64_t count, std::uint32_t* __restrict wide) {
  for (std::int64_t i = 0; i < count; ++i) {
    wide[i] += cells[i];
    cells[i] = 0;
  }
}

}  // namespace

constinit const PairLoops pair_loops = {
    each_with_each<triangular_code>,
    each_with_each<ordered_code>,
    each_with_each<difference_code>,
    one_with_each<triangular_code>,
    one_with_each<ordered_code>,
    one_with_each<difference_code>,
    count_triangular,
    count_differences,
    compact,
    join,
    count_up,
    widen,
};

}  // namespace cemvis::CEMVIS_SIMD_LEVEL

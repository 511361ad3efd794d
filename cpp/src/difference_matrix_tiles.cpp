// Compiled once for each SIMD level, with CEMVIS_SIMD_LEVEL as the namespace; the rules of tiling_rows.cpp hold here.
// A tile of 4 x 4 maps needs 8 loads for 16 differences, and its sums stay in registers.

#include <cstring>

#include "difference_matrix_loops.hpp"

// NOLINTBEGIN(modernize-avoid-c-arrays,cppcoreguidelines-avoid-c-arrays): std::array's functions are inline

namespace cemvis::CEMVIS_SIMD_LEVEL {
namespace {

#ifdef __AVX512F__
constexpr std::int64_t kRegisterBytes = 64;
constexpr std::int64_t kColumnsAtOnce = 4;
#elif defined(__AVX2__)
constexpr std::int64_t kRegisterBytes = 32;
constexpr std::int64_t kColumnsAtOnce = 2;  // 16 registers hold no more
#else
constexpr std::int64_t kRegisterBytes = 16;
constexpr std::int64_t kColumnsAtOnce = 2;
#endif
constexpr std::int64_t kLineBytes = 64;
constexpr std::int64_t kSteps = 16;  // summed in the pixels' own precision

template <class T>
struct BitsOf;
template <>
struct BitsOf<float> {
  using Type = std::int32_t;
  static constexpr Type kAllButSign = 0x7FFFFFFF;
};
template <>
struct BitsOf<double> {
  using Type = std::int64_t;
  static constexpr Type kAllButSign = 0x7FFFFFFFFFFFFFFF;
};

// As many numbers as a register holds. GCC keeps no array of plain numbers in registers across a loop.
template <class T>
struct Wide {
  static constexpr std::int64_t kCount = kRegisterBytes / static_cast<std::int64_t>(sizeof(T));
#ifdef __GNUC__
  using Numbers __attribute__((vector_size(kRegisterBytes))) = T;
  using Bits __attribute__((vector_size(kRegisterBytes))) = typename BitsOf<T>::Type;

  Numbers numbers;

  void load(const T* from) { std::memcpy(&numbers, from, sizeof numbers); }
  void store(T* to) const { std::memcpy(to, &numbers, sizeof numbers); }
  void add_difference(const Wide& a, const Wide& b) {
    constexpr auto all_but_sign = BitsOf<T>::kAllButSign;
    numbers += __builtin_bit_cast(Numbers, __builtin_bit_cast(Bits, a.numbers - b.numbers) & all_but_sign);
  }
#else
  T numbers[kCount];

  void load(const T* from) {
    for (std::int64_t l = 0; l < kCount; ++l) {
      numbers[l] = from[l];
    }
  }
  void store(T* to) const {
    for (std::int64_t l = 0; l < kCount; ++l) {
      to[l] = numbers[l];
    }
  }
  void add_difference(const Wide& a, const Wide& b) {
    for (std::int64_t l = 0; l < kCount; ++l) {
      const T difference = a.numbers[l] - b.numbers[l];
      numbers[l] += difference < 0 ? -difference : difference;
    }
  }
#endif
};

// The sums of kSteps lines of pixels, each lane of a line by itself.
template <class T>
void add_lines(const T* a, const T* b, std::int64_t stride, T* sums) {
  constexpr std::int64_t lanes = kLineBytes / static_cast<std::int64_t>(sizeof(T));
  for (std::int64_t lane = 0; lane < lanes; lane += Wide<T>::kCount) {
    Wide<T> sum[kTileMaps][kColumnsAtOnce] = {};
    for (std::int64_t step = 0; step < kSteps; ++step) {
      const std::int64_t at = step * lanes + lane;
      Wide<T> from[kTileMaps] = {};
      for (std::int64_t i = 0; i < kTileMaps; ++i) {
        from[i].load(a + i * stride + at);
      }
      for (std::int64_t j = 0; j < kColumnsAtOnce; ++j) {
        Wide<T> to = {};
        to.load(b + j * stride + at);
        for (std::int64_t i = 0; i < kTileMaps; ++i) {
          sum[i][j].add_difference(from[i], to);
        }
      }
    }
    for (std::int64_t i = 0; i < kTileMaps; ++i) {
      for (std::int64_t j = 0; j < kColumnsAtOnce; ++j) {
        sum[i][j].store(sums + (i * kTileMaps + j) * lanes + lane);
      }
    }
  }
}

template <class T>
void float_tile(const T* a, const T* b, std::int64_t stride, std::int64_t count, double* sums) {
  constexpr std::int64_t lanes = kLineBytes / static_cast<std::int64_t>(sizeof(T));
  constexpr std::int64_t pairs = kTileMaps * kTileMaps;
  double total[pairs][lanes / 2] = {};
  alignas(kLineBytes) T part[pairs * lanes];
  for (std::int64_t p = 0; p < count; p += kSteps * lanes) {
    for (std::int64_t j = 0; j < kTileMaps; j += kColumnsAtOnce) {
      add_lines(a + p, b + j * stride + p, stride, part + j * lanes);
    }
    for (std::int64_t n = 0; n < pairs; ++n) {
      for (std::int64_t l = 0; l < lanes / 2; ++l) {
        total[n][l] += static_cast<double>(part[n * lanes + l] + part[n * lanes + l + lanes / 2]);
      }
    }
  }
  for (std::int64_t n = 0; n < pairs; ++n) {
    double* lane = total[n];
    for (std::int64_t half = lanes / 4; half > 0; half /= 2) {
      for (std::int64_t l = 0; l < half; ++l) {
        lane[l] += lane[l + half];
      }
    }
    sums[n] = lane[0];
  }
}

// Compilers know sums of absolute differences of bytes as one instruction, if written so.
inline int difference(std::uint8_t a, std::uint8_t b) {
  const int by = a - b;
  return by < 0 ? -by : by;
}

inline int difference(std::uint16_t a, std::uint16_t b) {
  return static_cast<std::uint16_t>((a > b ? a : b) - (a > b ? b : a));
}

// A block's sum fits an int: 2^13 differences of 8 bits, or 2^12 of 16.
template <class T>
void whole_tile(const T* a, const T* b, std::int64_t stride, std::int64_t count, std::uint64_t* sums) {
  for (std::int64_t i = 0; i < kTileMaps; i += 2) {
    for (std::int64_t j = 0; j < kTileMaps; j += 2) {
      const T* __restrict a0 = a + i * stride;
      const T* __restrict a1 = a0 + stride;
      const T* __restrict b0 = b + j * stride;
      const T* __restrict b1 = b0 + stride;
      int total[4] = {};
      for (std::int64_t p = 0; p < count; ++p) {
        total[0] += difference(a0[p], b0[p]);
        total[1] += difference(a0[p], b1[p]);
        total[2] += difference(a1[p], b0[p]);
        total[3] += difference(a1[p], b1[p]);
      }
      std::uint64_t* to = sums + i * kTileMaps + j;
      to[0] = static_cast<std::uint64_t>(total[0]);
      to[1] = static_cast<std::uint64_t>(total[1]);
      to[kTileMaps] = static_cast<std::uint64_t>(total[2]);
      to[kTileMaps + 1] = static_cast<std::uint64_t>(total[3]);
    }
  }
}

}  // namespace

constinit const DifferenceLoops difference_loops = {whole_tile<std::uint8_t>, whole_tile<std::uint16_t>,
                                                    float_tile<float>, float_tile<double>};

// NOLINTEND(modernize-avoid-c-arrays,cppcoreguidelines-avoid-c-arrays)

}  // namespace cemvis::CEMVIS_SIMD_LEVEL

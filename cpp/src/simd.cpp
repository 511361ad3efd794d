#include "cemvis/simd.hpp"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string>

#if defined(CEMVIS_X86_SIMD) && defined(_MSC_VER)
#include <immintrin.h>
#include <intrin.h>
#endif

namespace cemvis {

const char* simd_name(Simd level) {
  switch (level) {
    case Simd::avx2:
      return "avx2";
    case Simd::avx512:
      return "avx512";
    case Simd::baseline:
      break;
  }
  return "baseline";
}

#ifndef CEMVIS_X86_SIMD

Simd detected_simd() { return Simd::baseline; }

#elif defined(_MSC_VER)

Simd detected_simd() {
  int words[4] = {};  // eax, ebx, ecx, edx
  __cpuid(words, 0);
  if (words[0] < 7) {
    return Simd::baseline;
  }
  __cpuid(words, 1);
  constexpr int saves_wide_registers = 1 << 27;
  if ((words[2] & saves_wide_registers) == 0) {
    return Simd::baseline;
  }
  const unsigned long long saved = _xgetbv(0);
  __cpuidex(words, 7, 0);
  const auto features = static_cast<unsigned>(words[1]);
  constexpr unsigned avx2 = 1U << 5;
  constexpr unsigned avx512_f_dq_bw_vl = (1U << 16) | (1U << 17) | (1U << 30) | (1U << 31);
  // The operating system must save the registers too: bits 1 and 2 for 256 bits, 5 to 7 besides for 512.
  if ((saved & 0xE6) == 0xE6 && (features & avx512_f_dq_bw_vl) == avx512_f_dq_bw_vl) {
    return Simd::avx512;
  }
  return (saved & 0x6) == 0x6 && (features & avx2) != 0 ? Simd::avx2 : Simd::baseline;
}

#else

Simd detected_simd() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl")) {
    return Simd::avx512;
  }
  return __builtin_cpu_supports("avx2") ? Simd::avx2 : Simd::baseline;
}

#endif

Simd lowered_simd(Simd best, const char* wish) {
  if (wish == nullptr || *wish == '\0') {
    return best;
  }
  for (const Simd level : {Simd::baseline, Simd::avx2, Simd::avx512}) {
    if (wish == std::string(simd_name(level))) {
      return std::min(best, level);
    }
  }
  throw std::invalid_argument("CEMVIS_SIMD is \"" + std::string(wish) + "\"; wanted baseline, avx2 or avx512");
}

Simd simd_level() {
  static const Simd level = lowered_simd(detected_simd(), std::getenv("CEMVIS_SIMD"));
  return level;
}

}  // namespace cemvis

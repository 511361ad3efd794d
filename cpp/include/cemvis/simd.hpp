#pragma once

namespace cemvis {

// Instruction sets that loops are compiled for, from the one that every CPU of the platform has upwards. Every level
// gives the same bits; only speed differs.
enum class Simd { baseline, avx2, avx512 };

const char* simd_name(Simd level);

// The best level that this build holds loops for and that this CPU and its operating system support.
Simd detected_simd();

// `best`, or the level that `wish` names if that is lower. Null or empty wishes for nothing.
// Throws std::invalid_argument if `wish` names no level.
Simd lowered_simd(Simd best, const char* wish);

// The level in use: the detected one, lowered by the environment variable CEMVIS_SIMD (baseline, avx2 or avx512).
// The variable is read once. Throws std::invalid_argument if it names no level.
Simd simd_level();

}  // namespace cemvis

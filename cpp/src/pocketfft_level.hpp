#pragma once

// pocketfft for a source that is compiled once for each SIMD level, with CEMVIS_SIMD_LEVEL as the namespace: its
// templates are inline, so its namespace is given the level's name.

// NOLINTBEGIN(cppcoreguidelines-macro-usage): only a macro can join names
#define CEMVIS_JOINED(a, b) a##b
#define CEMVIS_JOIN(a, b) CEMVIS_JOINED(a, b)
// NOLINTEND(cppcoreguidelines-macro-usage)
#define pocketfft CEMVIS_JOIN(pocketfft_, CEMVIS_SIMD_LEVEL)
#define POCKETFFT_NO_MULTITHREADING
#include <pocketfft_hdronly.h>

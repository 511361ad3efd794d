#include <stdexcept>

#include "cemvis/simd.hpp"
#include "check.hpp"

int main() {
  using cemvis::lowered_simd;
  using cemvis::Simd;
  for (const Simd best : {Simd::baseline, Simd::avx2, Simd::avx512}) {
    CEMVIS_CHECK(lowered_simd(best, nullptr) == best);
    CEMVIS_CHECK(lowered_simd(best, "") == best);
    CEMVIS_CHECK(lowered_simd(best, "baseline") == Simd::baseline);
    CEMVIS_CHECK(lowered_simd(best, "avx512") == best);
    CEMVIS_CHECK(lowered_simd(best, simd_name(best)) == best);
    CEMVIS_CHECK_THROWS(lowered_simd(best, "AVX2"), std::invalid_argument);
  }
  CEMVIS_CHECK(lowered_simd(Simd::avx512, "avx2") == Simd::avx2);
  CEMVIS_CHECK(lowered_simd(Simd::baseline, "avx2") == Simd::baseline);
  CEMVIS_CHECK(cemvis::simd_level() <= cemvis::detected_simd());
}

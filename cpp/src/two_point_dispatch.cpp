#include "two_point_loops.hpp"

namespace cemvis {

PairTransform::~PairTransform() = default;

const PairLoops& pair_loops(Simd level) {
#ifdef CEMVIS_X86_SIMD
  if (level != Simd::baseline) {
    return avx2::pair_loops;
  }
#endif
  (void)level;
  return baseline::pair_loops;
}

const PairTransforms& pair_transforms(Simd level) {
#ifdef CEMVIS_X86_SIMD
  switch (level) {
    case Simd::avx512:
      return avx512::pair_transforms;
    case Simd::avx2:
      return avx2::pair_transforms;
    case Simd::baseline:
      break;
  }
#endif
  (void)level;
  return baseline::pair_transforms;
}

}  // namespace cemvis

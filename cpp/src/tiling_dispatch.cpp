#include "tiling_rows.hpp"

namespace cemvis {

const RowLoops& row_loops(Simd level) {
#ifdef CEMVIS_X86_SIMD
  switch (level) {
    case Simd::avx512:
      return avx512::loops;
    case Simd::avx2:
      return avx2::loops;
    case Simd::baseline:
      break;
  }
#endif
  (void)level;
  return baseline::loops;
}

}  // namespace cemvis

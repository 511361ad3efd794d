#include "indent_search_loops.hpp"

namespace cemvis {

TileTransform::~TileTransform() = default;

NewTransform new_transform(Simd level) {
#ifdef CEMVIS_X86_SIMD
  switch (level) {
    case Simd::avx512:
      return avx512::new_transform;
    case Simd::avx2:
      return avx2::new_transform;
    case Simd::baseline:
      break;
  }
#endif
  (void)level;
  return baseline::new_transform;
}

const TileLoopSet& tile_loops(Simd level) {
#ifdef CEMVIS_X86_SIMD
  switch (level) {
    case Simd::avx512:
      return avx512::tile_loops;
    case Simd::avx2:
      return avx2::tile_loops;
    case Simd::baseline:
      break;
  }
#endif
  (void)level;
  return baseline::tile_loops;
}

}  // namespace cemvis

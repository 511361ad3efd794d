#include "cemvis/devices.hpp"

namespace cemvis {

#ifdef CEMVIS_HAS_CUDA
bool built_with_cuda() { return true; }
#else
bool built_with_cuda() { return false; }
CudaDevices cuda_devices() { return {{}, "cemvis was built without CUDA (CEMVIS_CUDA=OFF)"}; }
#endif

}  // namespace cemvis

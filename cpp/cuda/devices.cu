#include <cuda_runtime.h>

#include "cemvis/devices.hpp"

namespace cemvis {

CudaDevices cuda_devices() {
  CudaDevices found;
  int count = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess) {
    found.reason = cudaGetErrorString(error);
    return found;
  }
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp properties{};
    if (const cudaError_t error = cudaGetDeviceProperties(&properties, i); error != cudaSuccess) {
      found.reason = cudaGetErrorString(error);
      return found;
    }
    found.devices.push_back(
        {properties.name, properties.major, properties.minor, static_cast<std::int64_t>(properties.totalGlobalMem)});
  }
  return found;
}

}  // namespace cemvis

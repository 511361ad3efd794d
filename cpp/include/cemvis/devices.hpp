#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cemvis {

// Whether this library was compiled with its CUDA kernels.
bool built_with_cuda();

struct CudaDevice {
  std::string name;
  int compute_major = 0;
  int compute_minor = 0;
  std::int64_t memory_bytes = 0;
};

// What the CUDA runtime finds. Without CUDA kernels, a driver or a device the list is empty and `reason` says why.
struct CudaDevices {
  std::vector<CudaDevice> devices;
  std::string reason;
};
CudaDevices cuda_devices();

}  // namespace cemvis

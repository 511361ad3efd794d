"""Types of the compiled core; `cemvis.kernels` documents what the functions compute."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

class CudaDevice:
    @property
    def name(self) -> str: ...
    @property
    def compute_major(self) -> int: ...
    @property
    def compute_minor(self) -> int: ...
    @property
    def memory_bytes(self) -> int: ...

def built_with_cuda() -> bool: ...
def cuda_devices() -> tuple[list[CudaDevice], str]: ...
def simd_level() -> str: ...

class Border:
    reflect: ClassVar[Border]
    nearest: ClassVar[Border]
    constant: ClassVar[Border]
    refuse: ClassVar[Border]

def window_sums_grid(
    image: NDArray[np.generic], window_px: tuple[int, int], step_px: tuple[int, int], squares: bool, threads: int
) -> tuple[NDArray[np.uint64], NDArray[np.uint64] | None]: ...
def window_sums_at(
    image: NDArray[np.generic],
    top_left: NDArray[np.int64],
    window_px: tuple[int, int],
    squares: bool,
    threads: int,
) -> tuple[NDArray[np.uint64], NDArray[np.uint64] | None]: ...
def gather_windows(
    image: NDArray[np.generic],
    centres: NDArray[np.float64],
    window_px: tuple[int, int],
    downsample: int,
    border: Border,
    fill: float,
    grey_mean: float,
    grey_sd: float,
    out: NDArray[np.float32],
    threads: int,
) -> None: ...

"""Types of the compiled core; `cemvis.kernels` documents what the functions compute."""

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

class GrainClass:
    def __init__(self, radius_min_um: float, radius_max_um: float, volume_fraction: float, /) -> None: ...

class PasteParameters:
    seed: int
    grains: list[GrainClass]
    outline_coarse_um: float
    outline_fine_um: float
    reaction_depth_um: float
    reaction_spread: float
    belite_reaction_ratio: float
    rim_um: float
    hollow_share: float
    hollow_gap_um: float
    crystal_um: float
    belite_share: float
    interstitial_share: float
    ferrite_share: float
    ch_wavelength_um: float
    ch_threshold: float
    ch_crystal_um: float
    plate_cell_um: float
    plate_share: float
    pore_wavelength_um: float
    pore_threshold: float
    pore_patchiness: float
    crack_wavelength_um: float
    crack_width_um: float
    crack_share: float
    texture_um: float

class ImageParameters:
    eta: list[float]
    eta_per_packing: list[float]
    layer_depth_um: list[float]
    layer_weight: list[float]
    layer_blur_um: list[float]
    surface_depth_um: float
    surface_weight: float
    surface_blur_um: float
    gain: float
    offset: float
    read_noise: float
    shot_noise: float
    pixel_size_um: float

def render_bse(
    paste: PasteParameters, image: ImageParameters, row: int, col: int, rows: int, cols: int, threads: int
) -> NDArray[np.uint8]: ...
def phase_plane(
    paste: PasteParameters,
    pixel_size_um: float,
    depth_um: float,
    row: int,
    col: int,
    rows: int,
    cols: int,
    threads: int,
) -> NDArray[np.uint8]: ...
def contact_volumes(
    paste: PasteParameters, xy_um: NDArray[np.float64], radius_um: float, points: int, threads: int
) -> NDArray[np.float32]: ...
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
    border: str,
    fill: float,
    grey_mean: float,
    grey_sd: float,
    out: NDArray[np.float32],
    threads: int,
) -> None: ...
def normalised_correlation(
    image: NDArray[np.generic], pattern: NDArray[np.float32], out: NDArray[np.float32], threads: int
) -> None: ...
def linear_response(
    image: NDArray[np.generic], pattern: NDArray[np.float32], out: NDArray[np.float32], threads: int
) -> None: ...
def response_patches(
    image: NDArray[np.generic],
    pattern: NDArray[np.float32],
    top_left: NDArray[np.int64],
    radius_px: int,
    out: NDArray[np.float32],
    threads: int,
) -> None: ...
def downsampled(image: NDArray[np.generic], factor: int, out: NDArray[np.float32], threads: int) -> None: ...
def joint_offsets(
    scores: NDArray[np.float32],
    step_sd: float,
    amplitude: float,
    beginnings: NDArray[np.float32],
    columns: NDArray[np.int64],
    rows: NDArray[np.int64],
    score: NDArray[np.float64],
    threads: int,
) -> None: ...
def interpolated(
    tables: NDArray[np.float32], offsets: NDArray[np.float64], out: NDArray[np.float32], threads: int
) -> None: ...

class Reconstruction:
    def __init__(
        self,
        image: NDArray[np.uint8],
        phases: int,
        r_max: int,
        periodic: bool,
        axes: bool,
        autocorrelations: bool,
        interfaces: bool,
        target: NDArray[np.float64],
        weights: NDArray[np.float64],
        seed: int,
        threads: int,
    ) -> None: ...
    def energy(self) -> float: ...
    def neighbours(self) -> int: ...
    def read(self, image: NDArray[np.uint8], counts: NDArray[np.uint64], pairs: NDArray[np.uint64]) -> None: ...
    def swap(self, first: int, second: int) -> None: ...
    def sample_changes(self, out: NDArray[np.float64]) -> None: ...
    def anneal(self, trials: int, temperature: float) -> tuple[int, int]: ...

def radial_pair_counts(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8] | None,
    other: NDArray[np.uint8] | None,
    other_mask: NDArray[np.uint8] | None,
    periodic: bool,
    core: tuple[int, int],
    levels: int,
    differences: bool,
    r_max: int,
    algorithm: str,
    counts: NDArray[np.uint64],
    pairs: NDArray[np.uint64],
    threads: int,
) -> str: ...
def directional_pair_counts(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8] | None,
    other: NDArray[np.uint8] | None,
    other_mask: NDArray[np.uint8] | None,
    periodic: bool,
    core: tuple[int, int],
    levels: int,
    differences: bool,
    reach: tuple[int, int],
    counts: NDArray[np.uint64],
    pairs: NDArray[np.uint64],
    threads: int,
) -> None: ...
def plan_radial_pairs(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8] | None,
    other: NDArray[np.uint8] | None,
    other_mask: NDArray[np.uint8] | None,
    periodic: bool,
    core: tuple[int, int],
    levels: int,
    differences: bool,
    r_max: int,
    threads: int,
) -> tuple[str, float, float, float]: ...
def add_differences(
    maps: NDArray[np.generic], others: NDArray[np.generic] | None, out: NDArray[np.generic], threads: int
) -> None: ...
def anneal_paths(
    weights: NDArray[np.int64],
    orders: NDArray[np.int32],
    heats: NDArray[np.float64],
    seeds: NDArray[np.uint64],
    moves: int,
    threads: int,
) -> list[tuple[int, int, int]]: ...
def path_cost(weights: NDArray[np.int64], order: NDArray[np.int32]) -> int: ...
def electron_transport(
    numbers: NDArray[np.float64],
    weights: NDArray[np.float64],
    mass_fractions: NDArray[np.float64],
    energies_kev: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
def backscattered(
    numbers: NDArray[np.float64],
    weights: NDArray[np.float64],
    mass_fractions: NDArray[np.float64],
    energy_kev: float,
    tilt_deg: float,
    first: int,
    electrons: int,
    seed: int,
    counts: NDArray[np.uint64],
    energies: NDArray[np.uint64],
    depths: NDArray[np.uint64],
    radii: NDArray[np.uint64],
    threads: int,
) -> float: ...

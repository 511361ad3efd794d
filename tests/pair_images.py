"""Images to count pairs in: noise, textures, and requests of every kind."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from cemvis.kernels.two_point import PairCounts
from reference import two_point as reference

SEED = 20244
ALGORITHMS = ["auto", "direct", "fourier", "pairs"]
# Any view of the same levels.
VIEWS = {
    "plain": lambda image: image.copy(),
    "flipped": lambda image: np.flip(np.flip(image).copy()),
    "every second column": lambda image: np.repeat(image, 2, axis=-1)[..., ::2],
    "transposed": lambda image: image.T.copy().T,
    "inside a larger one": lambda image: np.pad(image, 3, constant_values=1)[(slice(3, -3),) * image.ndim],
    "read-only": lambda image: np.frombuffer(image.tobytes(), image.dtype).reshape(image.shape),
}


def noise(shape: tuple[int, ...], levels: int, seed: int = SEED) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, levels, shape).astype(np.uint8)


def texture(side: int, levels: int, seed: int = SEED) -> np.ndarray:
    """Levels that neighbours share more or less, as in a micrograph."""
    rng = np.random.default_rng(seed)
    rough = rng.standard_normal((side + 8, side + 8)).cumsum(axis=0).cumsum(axis=1)
    smooth = rough[8:, 8:] - rough[:-8, 8:] - rough[8:, :-8] + rough[:-8, :-8]
    ranks = smooth.ravel().argsort().argsort().reshape(side, side)
    return (ranks * levels // side**2).astype(np.uint8)


def dense(found: PairCounts) -> np.ndarray:
    return np.stack([found.dense(r) for r in range(found.r_max + 1)])


def largest_ring(shape: tuple[int, ...], *, periodic: bool) -> int:
    return min(shape) // 2 if periodic else round(math.hypot(*(length - 1 for length in shape)))


@st.composite
def requests(draw: st.DrawFn) -> dict:
    """An image, perhaps of volume, mask, second image, core or periodic."""
    volume = draw(st.booleans()) and draw(st.booleans())
    shape = draw(st.tuples(*[st.integers(2, 5)] * 3) if volume else st.tuples(*[st.integers(1, 13)] * 2))
    levels = draw(st.sampled_from([1, 2, 3, 5, 9, 40, 256]))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    in_use = rng.choice(levels, rng.integers(1, levels + 1), replace=False).astype(np.uint8)
    request: dict = {"image": rng.choice(in_use, shape), "levels": levels, "periodic": draw(st.booleans())}

    def mask() -> np.ndarray:
        valid = rng.random(shape) < rng.choice([0.05, 0.5, 0.95])
        valid.flat[rng.integers(valid.size)] = True
        return valid

    if draw(st.booleans()):
        request["mask"] = mask()
    if draw(st.booleans()):
        request["other"] = noise(shape, levels, int(rng.integers(1000)))
        if draw(st.booleans()):
            request["other_mask"] = mask()
    if not request["periodic"] and draw(st.booleans()):
        begin = draw(st.integers(0, shape[0] - 1))
        request["core_rows"] = (begin, draw(st.integers(begin + 1, shape[0])))
    request["r_max"] = draw(st.integers(0, largest_ring(shape, periodic=request["periodic"])))
    return request


def expected(request: dict) -> np.ndarray:
    names = ("mask", "other", "other_mask", "periodic", "levels")
    given = {name: request[name] for name in names if name in request}
    return reference.pair_counts(request["image"], request["r_max"], core=request.get("core_rows"), **given)

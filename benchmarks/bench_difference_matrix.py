"""L1 differences of all pairs of maps of 384 x 384 px, against SciPy's cdist and pdist (one thread, float64 alone).

Answers are checked first: of whole numbers with `==`, of float32 within the bound that the kernel states. Rivals are
given float64 maps, so that no conversion is on their clock. Where all pixels would take them minutes they do a stated
share of the pixels; their time goes with the number of pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from cemvis.kernels.difference_matrix import difference_matrix

distance = pytest.importorskip("scipy.spatial.distance")

PIXELS = 384 * 384
SHARES = {100: 0.25, 300: 0.04, 1000: 0.004}
"""Of the pixels, that rivals do."""


@cache
def maps(count: int, dtype: str) -> NDArray[np.generic]:
    random = np.random.default_rng(0).random((count, PIXELS), dtype=np.float32)
    if dtype == "float32":
        return (random**4 * 1e-5).astype(np.float32)  # about as relevance is spread, and as small
    return (random * 255).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("count", SHARES)
def test_difference_matrix_of_all_pairs(count: int, dtype: str, compare: Callable[..., object]) -> None:
    some = maps(count, dtype)
    share = SHARES[count]
    part = some[:, : round(share * PIXELS)]
    wide = part.astype(np.float64)
    expected = distance.squareform(distance.pdist(wide, "cityblock"))
    found = difference_matrix(part)
    if dtype == "uint8":
        assert np.array_equal(found, expected.astype(np.uint64))
    else:
        np.testing.assert_allclose(found, expected, rtol=1.02e-6, atol=0)
    assert np.array_equal(difference_matrix(some, threads=1), difference_matrix(some, threads=2))
    pairs = count * (count - 1) // 2
    rivals = {f"scipy {name}, 1 thread": share for name in ("pdist", "cdist")}
    compare(
        f"{count:,} maps x 384 x 384 {dtype}: {pairs * PIXELS:.2g} differences",
        {
            "cemvis, 1 thread": lambda: difference_matrix(some, threads=1),
            "cemvis, 2 threads": lambda: difference_matrix(some, threads=2),
            "scipy pdist, 1 thread": lambda: distance.pdist(wide, "cityblock"),
            "scipy cdist, 1 thread": lambda: distance.cdist(wide, wide, "cityblock"),
        },
        rivals,
    )

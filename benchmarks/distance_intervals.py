"""How often intervals of `cemvis validate` hold the true distance, difference of means and ratio of sds.

    python benchmarks/distance_intervals.py [--repetitions 200]

Two samples of 16 batches with 60 normal values each (sd 6 around 30), alike, shifted or wider, with batches that share
nothing or an offset of their own (sd 1.5); 100 resamplings.
"""

from __future__ import annotations

import argparse

import numpy as np

from cemvis.analysis.validation.distances import compare
from cemvis.analysis.validation.sample import Sample, sample_of

CASES = ((0, 1), (0.25, 1), (0.5, 1), (1, 1), (2, 1), (0, 1.2), (0, 1.5))
BATCHES, EACH, SD = 16, 60, 6.0


def drawn(rng: np.random.Generator, *, shift: float, widen: float, alike: float) -> Sample:
    """Return a sample of batches that differ by offsets with an sd of `alike`."""
    scatter = rng.normal(0, SD, (BATCHES, EACH)) + rng.normal(0, alike, BATCHES)[:, None]
    batch = np.repeat(np.arange(BATCHES).astype(str), EACH)
    return sample_of((30 + widen * scatter + shift).ravel(), batch, kind="batches")


def main() -> None:
    """Count, case by case."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--repetitions", type=int, default=200)
    repetitions = arguments.parse_args().repetitions
    print(f"of {repetitions}: offset sd, shift, widened: below, above the interval; told apart; mean held; ratio held")
    for alike in (0.0, 1.5):
        for shift, widen in CASES:
            true = shift if widen == 1 else (widen - 1) * np.hypot(SD, alike) * np.sqrt(2 / np.pi)
            counts = np.zeros(5, int)
            for seed in range(1000, 1000 + repetitions):
                rng = np.random.default_rng(seed)
                first = drawn(rng, shift=0, widen=1, alike=alike)
                found = compare(first, drawn(rng, shift=shift, widen=widen, alike=alike), resamplings=100, seed=seed)
                counts += (
                    found.distance.low > true,
                    found.distance.high < true,
                    found.told_apart,
                    found.difference.low <= shift <= found.difference.high,
                    found.sd_ratio.low <= widen <= found.sd_ratio.high,
                )
            print(f"{alike:4g} {shift:5g} {widen:4g}: " + " ".join(f"{count:5d}" for count in counts), flush=True)


if __name__ == "__main__":
    main()

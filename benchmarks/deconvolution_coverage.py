"""Measure how often the intervals of `cemvis deconvolve` hold the truth.

    python benchmarks/deconvolution_coverage.py [--repetitions 100] [--samples 20000] [--batches 50] [--json FILE]

Each repetition draws samples from four populations (fractions, means and standard deviations of Liang et al. (2023),
Table 1, test area A3), counts them in narrow intervals, fits four populations by the binned likelihood, and resamples
whole batches. A 95 % interval should hold each of the twelve parameters in about 95 of 100 repetitions; fewer than 90
is a failure. The samples of a batch are independent here: real ones are not, and then only whole batches tell.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.deconvolution.bootstrap import resampled
from cemvis.analysis.indentation.deconvolution.grouped import grouped_values
from cemvis.analysis.indentation.deconvolution.mixture import PopulationMixture

FRACTIONS = np.array([0.52, 0.27, 0.12, 0.09])
MEANS = np.array([26.54, 34.81, 52.46, 121.88])
SDS = np.array([4.06, 6.76, 16.73, 27.46])
PARAMETERS = ("fraction", "mean", "sd")
POPULATIONS = ("LD-CSH", "HD-CSH", "CH", "clinker")


def drawn(samples: int, *, seed: int) -> NDArray[np.float64]:
    """Return samples of the four populations, (n,) float64, in GPa."""
    rng = np.random.default_rng(seed)
    which = rng.choice(4, samples, p=FRACTIONS)
    return rng.normal(MEANS[which], SDS[which])


def held(seed: int, *, samples: int, batches: int, resamplings: int) -> NDArray[np.bool_]:
    """Return which parameters lie inside their intervals, (3, 4) bool: fractions, means, standard deviations."""
    values = drawn(samples, seed=seed)
    data = grouped_values(values, [f"{each:04d}" for each in np.arange(samples) * batches // samples])
    mixture = PopulationMixture(4, random_state=seed).fit_grouped(data)
    draws = resampled(mixture, data, resamplings=resamplings, random_state=seed)
    inside = []
    for found, true in ((draws.fractions, FRACTIONS), (draws.means, MEANS), (draws.sds, SDS)):
        low, high = draws.interval(found)
        inside.append((low <= true) & (true <= high))
    return np.array(inside)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--batches", type=int, default=50)
    parser.add_argument("--resamplings", type=int, default=400)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    started = time.perf_counter()
    total = np.zeros((3, 4), np.int64)
    for number in range(chosen.repetitions):
        total += held(
            chosen.first_seed + number,
            samples=chosen.samples,
            batches=chosen.batches,
            resamplings=chosen.resamplings,
        )
    seconds = time.perf_counter() - started
    print(f"intervals that held, of {chosen.repetitions} ({seconds:.0f} s):")
    print(f"{'':10}" + "".join(f"{name:>10}" for name in POPULATIONS))
    for name, row in zip(PARAMETERS, total, strict=True):
        print(f"{name:10}" + "".join(f"{each:10d}" for each in row))
    print(f"least: {total.min()} of {chosen.repetitions}; wanted at least {0.9 * chosen.repetitions:g}")
    if chosen.json:
        record = {"held": total.tolist(), "repetitions": chosen.repetitions, "samples": chosen.samples}
        chosen.json.write_text(json.dumps(record | {"batches": chosen.batches, "seconds": seconds}, indent=2) + "\n")


if __name__ == "__main__":
    main()

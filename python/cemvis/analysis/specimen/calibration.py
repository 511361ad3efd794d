"""How well virtual indents agree with the measured distribution that the recipe was tuned to."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Mixture:
    """Gaussian populations in rising order of their means: (k,) weights that sum to 1, means and sds in GPa."""

    weight: tuple[float, ...]
    mean_gpa: tuple[float, ...]
    sd_gpa: tuple[float, ...]

    def sample(self, n: int, rng: np.random.Generator) -> Floats:
        """Return n draws in GPa."""
        which = rng.choice(len(self.weight), size=n, p=np.array(self.weight) / sum(self.weight))
        return np.asarray(rng.normal(np.array(self.mean_gpa)[which], np.array(self.sd_gpa)[which]), dtype=np.float64)


#: Table 1, test area A3, of Liang et al. 2023, doi 10.1016/j.matdes.2023.111905: LD-CSH, HD-CSH, CH, clinker.
TABLE_1_A3 = Mixture((0.52, 0.27, 0.12, 0.09), (26.54, 34.81, 52.46, 121.88), (4.06, 6.76, 16.73, 27.46))


@dataclass(frozen=True)
class Agreement:
    """Virtual indents against a reference mixture, and how far a window's mean grey predicts them.

    Attributes
    ----------
    indents
        How many were compared.
    fitted
        The four-population mixture that fits them best.
    csh_weight_error
        Weight of the two softest populations minus the reference's.
    mean_ratio
        Each fitted mean over the reference's.
    wasserstein_gpa
        First Wasserstein distance between the indents and the reference.
    r2_table, r2_linear
        Coefficient of determination of the table and the linear model on mean grey, on a held-out fifth.
    """

    indents: int
    fitted: Mixture
    csh_weight_error: float
    mean_ratio: tuple[float, ...]
    wasserstein_gpa: float
    r2_table: float
    r2_linear: float

    def to_json(self) -> dict[str, object]:
        """Return plain values for a JSON file."""
        return asdict(self)


def fit_mixture(modulus_gpa: Floats, start: Mixture, *, bin_gpa: float = 0.5, rounds: int = 5000) -> Mixture:
    """Return the maximum-likelihood mixture of binned values, by expectation-maximisation from `start`.

    Binning to half a GPa, an eighth of the narrowest population, makes thousands of rounds cheap; ordinary
    tolerances stop long before the flat likelihood of neighbouring populations has been climbed.
    """
    top = float(np.ceil(modulus_gpa.max() / bin_gpa) * bin_gpa)
    edges = np.arange(0.0, top + bin_gpa, bin_gpa)
    count, _ = np.histogram(modulus_gpa, edges)
    centre = 0.5 * (edges[:-1] + edges[1:])[count > 0]
    share = count[count > 0] / count.sum()
    weight, mean, sd = (np.array(values) for values in (start.weight, start.mean_gpa, start.sd_gpa))
    for _ in range(rounds):
        density = weight / sd * np.exp(-0.5 * ((centre[:, None] - mean) / sd) ** 2)
        belongs = density / density.sum(axis=1, keepdims=True) * share[:, None]
        weight = belongs.sum(axis=0)
        mean = (belongs * centre[:, None]).sum(axis=0) / weight
        sd = np.maximum(np.sqrt((belongs * (centre[:, None] - mean) ** 2).sum(axis=0) / weight), bin_gpa)
    order = np.argsort(mean)
    return Mixture(*(tuple(float(v) for v in values[order]) for values in (weight, mean, sd)))


def agreement(modulus_gpa: Floats, mean_grey: Floats, *, reference: Mixture = TABLE_1_A3, seed: int = 0) -> Agreement:
    """Compare virtual indents with a reference mixture.

    Parameters
    ----------
    modulus_gpa, mean_grey
        (n,) float64: what the indenter reported, failed tests left out, and the mean grey of each window.
    reference
        The measured populations.
    seed
        Of the reference's draws and of the split.

    Raises
    ------
    InputError
        If there are fewer than 1,000 indents or the two arrays differ in length.
    """
    from scipy.stats import wasserstein_distance

    if len(modulus_gpa) != len(mean_grey) or len(modulus_gpa) < 1000:
        msg = f"{len(modulus_gpa)} moduli and {len(mean_grey)} grey levels; wanted as many of each, 1,000 or more"
        raise InputError(msg)
    rng = np.random.default_rng(seed)
    fitted = fit_mixture(modulus_gpa, reference)
    total = sum(reference.weight)
    table, linear = _scores(modulus_gpa, mean_grey, rng)
    return Agreement(
        indents=len(modulus_gpa),
        fitted=fitted,
        csh_weight_error=sum(fitted.weight[:2]) - sum(reference.weight[:2]) / total,
        mean_ratio=tuple(a / b for a, b in zip(fitted.mean_gpa, reference.mean_gpa, strict=True)),
        wasserstein_gpa=float(wasserstein_distance(modulus_gpa, reference.sample(1_000_000, rng))),
        r2_table=table,
        r2_linear=linear,
    )


def _scores(modulus_gpa: Floats, mean_grey: Floats, rng: np.random.Generator) -> tuple[float, float]:
    """Return R2 of a table and of a straight line on a random fifth held out."""
    order = rng.permutation(len(modulus_gpa))
    cut = len(order) * 4 // 5
    train, test = order[:cut], order[cut:]
    level = np.floor(mean_grey + 0.5).astype(np.int64)
    seen, where = np.unique(level[train], return_inverse=True)
    table = np.bincount(where, modulus_gpa[train]) / np.bincount(where)
    nearest = np.abs(level[test][:, None] - seen).argmin(axis=1)
    slope, intercept = np.polyfit(mean_grey[train], modulus_gpa[train], 1)
    variance = modulus_gpa[test].var()

    def r2(predicted: Floats) -> float:
        return float(1 - ((predicted - modulus_gpa[test]) ** 2).mean() / variance)

    return r2(table[nearest]), r2(slope * mean_grey[test] + intercept)

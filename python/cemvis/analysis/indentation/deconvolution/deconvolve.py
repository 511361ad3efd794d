"""From values to populations: choose their number, fit, resample, and say what it is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.deconvolution.bootstrap import (
    FEWEST_BATCHES,
    RESAMPLINGS,
    Resampled,
    resampled,
    settling,
)
from cemvis.analysis.indentation.deconvolution.families import FAMILIES, NORMAL
from cemvis.analysis.indentation.deconvolution.grouped import Grouped
from cemvis.analysis.indentation.deconvolution.joint import JointMixture
from cemvis.analysis.indentation.deconvolution.mixture import PopulationMixture
from cemvis.analysis.indentation.deconvolution.populations import Deconvolution, Population, estimates, names_of
from cemvis.analysis.indentation.deconvolution.selection import (
    CRITERIA,
    MOST,
    Candidate,
    candidates,
    chosen,
    families_compared,
)
from cemvis.analysis.indentation.deconvolution.verdict import (
    doubts_of_fit,
    doubts_of_number,
    doubts_of_populations,
    doubts_of_size,
    remarks,
    remarks_of_names,
    remarks_of_settling,
)
from cemvis.errors import InputError

Floats = NDArray[np.float64]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Settings:
    """How populations are looked for.

    Attributes
    ----------
    populations : int, optional
        Their number; chosen by `criterion` if not given.
    criterion : str
        "bic" or "icl".
    most : int
        Most populations tried.
    family : str
        "normal" or "skew-normal".
    fractions : tuple of float or None, optional
        Known fractions, in rising mean; wants `populations`.
    names : tuple of str, optional
    starts, resamplings : int
    settling_draws : int
        Draws for each number of indents, to show how parameters settle; 0: none.
    level : float
        Of the intervals.
    seed : int
    """

    populations: int | None = None
    criterion: str = "bic"
    most: int = MOST
    family: str = NORMAL
    fractions: tuple[float | None, ...] | None = None
    names: tuple[str, ...] | None = None
    starts: int = 30
    resamplings: int = RESAMPLINGS
    settling_draws: int = 60
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.populations is not None and self.populations < 1:
            msg = f"populations is {self.populations}; wanted at least 1, or None to choose"
            raise InputError(msg)
        if self.criterion not in CRITERIA or self.family not in FAMILIES:
            msg = f"criterion {self.criterion!r}, components {self.family!r}; wanted bic or icl, normal or skew-normal"
            raise InputError(msg)
        if self.fractions is not None and len(self.fractions) != self.populations:
            count = self.populations or "an unknown number of"
            msg = f"{len(self.fractions)} known fractions for {count} populations; wanted one each"
            raise InputError(msg)
        if self.names is not None and (len(set(self.names)) < len(self.names) or not all(self.names)):
            msg = f"the names are {', '.join(map(repr, self.names))}; wanted each once, and none empty"
            raise InputError(msg)
        if self.names is not None and len(self.names) != self.populations:
            msg = (
                f"{len(self.names)} names for {self.populations or 'an unknown number of'} populations; wanted one each"
            )
            raise InputError(msg)


def deconvolve(
    data: Grouped, *, name: str = "modulus", settings: Settings = Settings(), progress: Progress | None = None
) -> tuple[Deconvolution, PopulationMixture]:
    """Return the populations in one property, and the fitted mixture.

    Parameters
    ----------
    data : Grouped
        Counts of values by interval and batch.
    name : str
        Of the property.

    Raises
    ------
    InputError
        If there are too few values, or the settings are impossible.
    """
    told = progress or (lambda _stage, _done, _steps: None)
    template = PopulationMixture(family=settings.family, n_starts=settings.starts, random_state=settings.seed)
    told("numbers of populations", 0, 4)
    found = candidates(data, template, most=max(settings.most, settings.populations or 0))
    count = settings.populations or chosen(found, criterion=settings.criterion).populations
    mixture = template.set_params(n_components=count, fractions=settings.fractions).fit_grouped(data)
    told("skew-normal against normal", 1, 4)
    comparison = None if settings.fractions is not None else families_compared(data, mixture)
    told("resampling", 2, 4)
    draws = resampled(mixture, data, resamplings=settings.resamplings, random_state=settings.seed)
    told("fewer indents", 3, 4)
    steps = (
        settling(mixture, data, draws=settings.settling_draws, random_state=settings.seed)
        if settings.settling_draws
        else ()
    )
    told("fewer indents", 4, 4)
    populations = _populations(
        (name,), mixture.weights_, mixture.means_[:, None], mixture.sds_[:, None], _with_axis(draws), settings
    )
    criterion = settings.criterion if settings.populations is None else "given"
    size, batches = round(data.size), len(data.batches)
    known_bic = None if settings.fractions is None else mixture.bic(size)
    doubts = _doubts(found, populations, mixture, size, criterion=criterion, known_bic=known_bic)
    told_too = remarks(found, comparison, draws, batches=batches, size=size, of=data)
    result = Deconvolution(
        properties=(name,),
        size=size,
        batches=batches,
        family=settings.family,
        likelihood="binned, discrete values" if data.discrete else "binned",
        populations=populations,
        candidates=found,
        criterion=criterion,
        comparison=comparison,
        settling=steps,
        draws=draws,
        level=settings.level,
        starts=settings.starts,
        starts_at_best=mixture.starts_at_best_,
        converged=mixture.converged_,
        supported=not doubts,
        verdict=(*doubts, *told_too, *remarks_of_names(populations, name)),
    )
    return replace(result, verdict=(*result.verdict, *remarks_of_settling(steps, result.settled_from()))), mixture


def deconvolve_jointly(
    values: Floats,
    batch: NDArray[np.str_],
    *,
    names: tuple[str, str] = ("modulus", "hardness"),
    settings: Settings = Settings(),
    progress: Progress | None = None,
) -> tuple[Deconvolution, JointMixture]:
    """Return the populations in two properties together, (n, 2) float64, and the fitted mixture.

    Components are normal. A third as many starts and a quarter as many resamplings are taken as for one property.

    Raises
    ------
    InputError
        If there are too few values, or known fractions or skew-normal components are wanted.
    """
    if settings.fractions is not None or settings.family != NORMAL:
        msg = "known fractions and skew-normal components are for one property alone, not for two together"
        raise InputError(msg)
    told = progress or (lambda _stage, _done, _steps: None)
    starts = max(5, settings.starts // 3)
    tried: dict[int, JointMixture] = {}
    found = []
    most = max(settings.most, settings.populations or 0)
    for k in range(1, most + 1):
        told("numbers of populations, two properties", k - 1, most + 1)
        if len(values) < 6 * k:
            break
        tried[k] = JointMixture(k, n_starts=starts, random_state=settings.seed).fit(values)
        each = tried[k]
        scores = each.log_likelihood_, each.bic(len(values)), each.icl(values)
        found.append(Candidate(k, each.n_parameters, *scores, each.starts_at_best_, each.converged_))
    count = settings.populations or chosen(tuple(found), criterion=settings.criterion).populations
    mixture = tried.get(count) or JointMixture(count, n_starts=starts, random_state=settings.seed).fit(values)
    told("resampling, two properties", most, most + 1)
    draws = _resampled_jointly(mixture, values, batch, settings)
    populations = _populations(names, mixture.weights_, mixture.means_, mixture.sds_, draws, settings)
    criterion = settings.criterion if settings.populations is None else "given"
    batches = len(np.unique(batch))
    doubts = _doubts(tuple(found), populations, mixture, len(values), criterion=criterion)
    told_too = remarks(tuple(found), None, draws, batches=batches, size=len(values))
    return Deconvolution(
        properties=names,
        size=len(values),
        batches=batches,
        family=NORMAL,
        likelihood="density",
        populations=populations,
        candidates=tuple(found),
        criterion=criterion,
        comparison=None,
        settling=(),
        draws=draws,
        level=settings.level,
        starts=starts,
        starts_at_best=mixture.starts_at_best_,
        converged=mixture.converged_,
        supported=not doubts,
        verdict=(*doubts, *told_too, *remarks_of_names(populations, names[0])),
    ), mixture


def _doubts(
    found: tuple[Candidate, ...],
    populations: tuple[Population, ...],
    mixture: PopulationMixture | JointMixture,
    size: int,
    *,
    criterion: str,
    known_bic: float | None = None,
) -> list[str]:
    first = next(iter(populations[0].means))
    return [
        *doubts_of_size(size, len(populations)),
        *doubts_of_number(found, len(populations), criterion=criterion, known_bic=known_bic),
        *doubts_of_populations(populations, first),
        *doubts_of_fit(
            populations,
            mixture.at_floor_,
            starts=mixture.n_starts,
            reached=mixture.starts_at_best_,
            converged=mixture.converged_,
        ),
    ]


def _with_axis(draws: Resampled) -> Resampled:
    return replace(draws, means=draws.means[..., None], sds=draws.sds[..., None])


def _populations(
    names: tuple[str, ...], weights: Floats, means: Floats, sds: Floats, draws: Resampled, settings: Settings
) -> tuple[Population, ...]:
    """Return populations of (k,) weights and (k, properties) means and sds with their intervals."""
    fractions = estimates(weights, *draws.interval(draws.fractions, level=settings.level))
    by_mean, by_sd = (
        {
            name: estimates(value[:, n], *draws.interval(drawn[..., n], level=settings.level))
            for n, name in enumerate(names)
        }
        for value, drawn in ((means, draws.means), (sds, draws.sds))
    )
    return tuple(
        Population(
            called,
            fractions[n],
            {name: by_mean[name][n] for name in names},
            {name: by_sd[name][n] for name in names},
        )
        for n, called in enumerate(names_of(len(weights), settings.names))
    )


def _resampled_jointly(mixture: JointMixture, values: Floats, batch: NDArray[np.str_], settings: Settings) -> Resampled:
    rng = np.random.default_rng(settings.seed)
    _, of = np.unique(batch, return_inverse=True)
    batches = int(of.max()) + 1
    members = [np.flatnonzero(of == each) for each in range(batches)]
    whole = batches >= FEWEST_BATCHES
    rows = []
    for _ in range(max(40, settings.resamplings // 4)):
        if whole:
            drawn = np.concatenate([members[each] for each in rng.integers(batches, size=batches)])
        else:
            drawn = rng.integers(len(values), size=len(values))
        rows.append(mixture.refitted(values[drawn]))
    weights, means, sds, converged = (np.array(each) for each in zip(*rows, strict=True))
    units = batches if whole else len(values)
    return Resampled(weights, means, sds, "batches" if whole else "indents", units, float(converged.mean()), whole)

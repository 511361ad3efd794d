"""How many populations the data support: BIC and ICL over 1..8, and normal against skew-normal components."""

from __future__ import annotations

from dataclasses import dataclass

from sklearn.base import clone

from cemvis.analysis.indentation.deconvolution.families import NORMAL, SKEW_NORMAL
from cemvis.analysis.indentation.deconvolution.grouped import Grouped
from cemvis.analysis.indentation.deconvolution.mixture import PopulationMixture
from cemvis.errors import InputError

MOST = 8
CRITERIA = ("bic", "icl")


@dataclass(frozen=True)
class Candidate:
    """One number of populations.

    Attributes
    ----------
    populations, parameters : int
    log_likelihood, bic, icl : float
        Less BIC or ICL is better.
    starts_at_best : int
    converged : bool
    """

    populations: int
    parameters: int
    log_likelihood: float
    bic: float
    icl: float
    starts_at_best: int
    converged: bool


@dataclass(frozen=True)
class FamilyComparison:
    """Normal and skew-normal components at the same number of populations.

    Attributes
    ----------
    log_likelihood_normal, log_likelihood_skew, bic_normal, bic_skew : float
    p_value : float
        Of the likelihood ratio by chi squared with a degree of freedom for each shape; a guide only, since indents
        of a batch depend on each other.
    """

    log_likelihood_normal: float
    log_likelihood_skew: float
    bic_normal: float
    bic_skew: float
    p_value: float


def candidates(data: Grouped, template: PopulationMixture, *, most: int = MOST) -> tuple[Candidate, ...]:
    """Return the fits of 1 to `most` populations, as far as there are enough values for their parameters.

    Known fractions of `template` are not used: they belong to one number of populations. BIC counts every indent as an
    independent one, which favours more populations than there are where indents of a batch are alike.
    """
    found = []
    for k in range(1, most + 1):
        mixture = clone(template).set_params(n_components=k, fractions=None)
        if data.size < mixture.n_parameters + 1 or len(data.lower) < k:
            break
        mixture.fit_grouped(data)
        found.append(candidate_of(mixture, data))
    return tuple(found)


def candidate_of(mixture: PopulationMixture, data: Grouped) -> Candidate:
    """Return a fitted mixture's place among the candidates."""
    return Candidate(
        mixture.n_components,
        mixture.n_parameters,
        mixture.log_likelihood_,
        mixture.bic(data.size),
        mixture.icl(data),
        mixture.starts_at_best_,
        mixture.converged_,
    )


def chosen(found: tuple[Candidate, ...], *, criterion: str = "bic") -> Candidate:
    """Return the candidate with the least BIC or ICL.

    Raises
    ------
    InputError
        If there is no candidate, or the criterion is another.
    """
    if criterion not in CRITERIA:
        msg = f"criterion is {criterion!r}; wanted {' or '.join(CRITERIA)}"
        raise InputError(msg)
    if not found:
        msg = "there are too few values for even one population; give more indents"
        raise InputError(msg)
    return min(found, key=lambda each: float(getattr(each, criterion)))


def families_compared(data: Grouped, template: PopulationMixture) -> FamilyComparison | None:
    """Return how skew-normal components do against normal ones; None if there are too few values for their shapes."""
    from scipy.stats import chi2

    normal = clone(template).set_params(family=NORMAL)
    skew = clone(template).set_params(family=SKEW_NORMAL)
    if data.size < skew.n_parameters + 1:
        return None
    normal.fit_grouped(data)
    skew.fit_grouped(data)
    gain = 2 * (skew.log_likelihood_ - normal.log_likelihood_)
    return FamilyComparison(
        normal.log_likelihood_,
        skew.log_likelihood_,
        normal.bic(data.size),
        skew.bic(data.size),
        float(chi2.sf(max(gain, 0.0), template.n_components)),
    )

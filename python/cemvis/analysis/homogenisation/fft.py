"""The effective stiffness of a map of moduli: a periodic structure in plane strain, by fast Fourier transforms.

Moulinec and Suquet's idea, to invert a homogeneous reference material in Fourier space and leave the heterogeneous one
to iteration, with two changes that let it converge with pores: displacements live on the corners of the cells and
strains at their centres (Willot's rotated scheme), and conjugate gradients take the place of the fixed-point
iteration. The reference then only steers how fast it goes.

References
----------
H. Moulinec, P. Suquet, Comput. Methods Appl. Mech. Eng. 157 (1998) 69, doi:10.1016/S0045-7825(97)00218-1.
F. Willot, C. R. Mecanique 343 (2015) 232, doi:10.1016/j.crme.2014.12.005.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cemvis._checks import fraction, thread_count
from cemvis.analysis.homogenisation.cells import Cells
from cemvis.analysis.homogenisation.isotropic import PlaneSolid, Values
from cemvis.analysis.homogenisation.local import LocalFields, local_fields
from cemvis.errors import InputError

BYTES_A_CELL = 230  # at most, as measured
_SAME = 1e-12  # of the stress: a material without any contrast leaves less than this to be balanced


@dataclass(frozen=True)
class PlaneStiffness:
    """The effective stiffness of a periodic structure in plane strain.

    Attributes
    ----------
    tensor_gpa
        (3, 3), symmetric: mean stresses xx, yy, xy under unit mean strains xx, yy and xy (as an angle); x to the
        right and y down the map.
    iterations
        Of conjugate gradients, for the three strains.
    residual
        The largest that was left, as a share of the first one.
    converged
        Whether that is below the wanted tolerance.
    local
        What happens in each cell, if it was asked for.
    """

    tensor_gpa: Values
    iterations: tuple[int, int, int]
    residual: float
    converged: bool
    local: LocalFields | None = None

    @property
    def isotropic(self) -> PlaneSolid:
        """The isotropic stiffness that is nearest: the mean over all orientations of the structure in its plane."""
        c = self.tensor_gpa
        bulk = (c[0, 0] + c[1, 1] + 2 * c[0, 1]) / 4
        shear = ((c[0, 0] + c[1, 1] - 2 * c[0, 1]) / 4 + c[2, 2]) / 2
        return PlaneSolid(np.asarray(bulk), np.asarray(shear))

    @property
    def plane_moduli_gpa(self) -> tuple[float, float]:
        """Stress over strain along x and along y, with no other stress in the plane."""
        along_x, along_y = (_alone(self.tensor_gpa, axis) for axis in (0, 1))
        return along_x, along_y

    @property
    def anisotropy(self) -> float:
        """Distance from the nearest isotropic stiffness, over that stiffness (Frobenius norms); 0 if isotropic."""
        near = self.isotropic
        bulk, shear = float(near.bulk_gpa), float(near.shear_gpa)
        same = np.array([[bulk + shear, bulk - shear, 0], [bulk - shear, bulk + shear, 0], [0, 0, shear]])
        mandel = np.sqrt(np.outer([1, 1, 2], [1, 1, 2]))
        size = float(np.linalg.norm(same * mandel))
        return float(np.linalg.norm((self.tensor_gpa - same) * mandel)) / size if size > 0 else 0.0


def effective_stiffness(
    modulus_gpa: Values,
    poisson: ArrayLike,
    *,
    reference: tuple[float, float] | None = None,
    tolerance: float = 1e-6,
    most_iterations: int = 1000,
    local: bool = False,
    threads: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> PlaneStiffness:
    """Return the effective stiffness of a map of Young's moduli, repeated without end, in plane strain.

    Plane strain means that the structure does not change across the plane: what lies in the map as a disc acts as a
    cylinder. A map of a cut through particles is therefore not the material, and compares with two-dimensional bounds.

    Parameters
    ----------
    modulus_gpa
        (rows, cols), finite and 0 or more; 0 is a pore. Cells are square.
    poisson
        A number or (rows, cols), from 0 to below 0.5.
    reference
        Modulus in GPa and Poisson's ratio of the reference material; by default that of the mean moduli. It changes
        how fast the solution comes, not which.
    tolerance
        Residual, as a share of the first one, at which the solution is good. The moduli are far closer by then.
    most_iterations
        For each of the three strains.
    local
        Whether stress and strain in each cell, and what each cell's modulus does to the whole, are wanted too.
    threads
        For the transforms; all cores if None.
    progress
        Called with a stage's name, the strains done and how many there are.

    Returns
    -------
    PlaneStiffness
        In float64. Splitting every cell into more lets it converge; where neighbours have nothing to do with each
        other, it is up to 0.3 % off for contrasts of 8, and 2 % with pores.

    Raises
    ------
    InputError
        If the map is empty, not two-dimensional, or a modulus or ratio is out of range.

    Notes
    -----
    Takes about 210 bytes of memory a cell, 225 with `local`: 100 million cells fit into 24 GB. It cannot work by tiles,
    since each cell acts on all others; a map with larger steps does for a larger area.
    """
    modulus = np.asarray(modulus_gpa, np.float64)
    if modulus.ndim != 2 or modulus.size == 0:
        msg = f"the map has shape {modulus.shape}; wanted (rows, cols) with at least one cell"
        raise InputError(msg)
    fraction(tolerance, name="tolerance")
    solid = PlaneSolid.of(modulus, poisson)
    if solid.bulk_gpa.shape != modulus.shape:
        msg = f"Poisson's ratios have shape {np.shape(poisson)}; wanted one number or {modulus.shape}"
        raise InputError(msg)
    if not modulus.any():
        nothing = np.zeros_like(modulus)
        empty = LocalFields(nothing, nothing, nothing, nothing) if local else None
        return PlaneStiffness(np.zeros((3, 3)), (0, 0, 0), 0.0, True, empty)
    field = Cells(solid.bulk_gpa - solid.shear_gpa, solid.shear_gpa)
    if reference is None:
        mean = PlaneSolid(np.asarray(solid.bulk_gpa.mean()), np.asarray(solid.shear_gpa.mean()))
    else:
        mean = PlaneSolid.of(*reference)
    green = _Green(modulus.shape, float(mean.bulk_gpa - mean.shear_gpa), float(mean.shear_gpa), thread_count(threads))
    tensor, counts, left, moved = np.zeros((3, 3)), [], [], []
    for column, strain in enumerate(np.eye(3)):
        if progress is not None:
            progress("solving in plane strain", column, 3)
        displacement, count, residual = _solve(field, green, strain, tolerance, most_iterations)
        tensor[:, column] = field.mean_stress(displacement, strain)
        if local:
            moved.append(displacement)
        counts.append(count)
        left.append(residual)
    if progress is not None:
        progress("solving in plane strain", 3, 3)
    iterations = (counts[0], counts[1], counts[2])
    inside = local_fields(field, moved, PlaneSolid.of(1.0, poisson)) if local else None
    return PlaneStiffness((tensor + tensor.T) / 2, iterations, max(left), max(left) <= tolerance, inside)


def _solve(
    field: Cells, green: _Green, strain: Values, tolerance: float, most_iterations: int
) -> tuple[Values, int, float]:
    """Return the displacements (2, rows, cols) under a mean strain, the iterations and the residual that was left."""
    nothing = np.zeros((2, *field.first.shape))
    residual = -field.forces(nothing, strain)
    stress = float(np.linalg.norm(field.mean_stress(nothing, strain)))
    push = green.apply(residual)
    square = first = float(np.vdot(residual, push))
    moved = nothing
    if first <= (_SAME * stress) ** 2 * residual.size / green.stiffness:
        return moved, 0, 0.0
    direction = push
    count = 0
    while square > tolerance**2 * first and count < most_iterations:
        answer = field.forces(direction)
        work = float(np.vdot(direction, answer))
        if work <= 0:  # only a motion inside pores is left, which costs nothing
            break
        moved += square / work * direction
        answer *= square / work
        residual -= answer
        del answer
        push = green.apply(residual)
        before, square = square, float(np.vdot(residual, push))
        direction *= square / before
        direction += push
        count += 1
    return moved, count, (max(square, 0.0) / first) ** 0.5


class _Green:
    """The inverse of the same cells filled with one reference material, in Fourier space."""

    def __init__(self, shape: tuple[int, ...], first: float, shear: float, threads: int) -> None:
        rows, cols = shape
        self._shape, self._threads = (rows, cols), threads
        self.stiffness = first + 2 * shear
        y = 2 * np.pi * np.arange(rows)[:, None] / rows
        x = 2 * np.pi * np.arange(cols // 2 + 1)[None, :] / cols
        by_x = (1 - np.cos(x)) * (1 + np.cos(y))  # squared modulus of the derivative's symbol
        by_y = (1 + np.cos(x)) * (1 - np.cos(y))
        xx = (first + 2 * shear) * by_x + shear * by_y
        yy = (first + 2 * shear) * by_y + shear * by_x
        xy = (first + shear) * np.sin(x) * np.sin(y)
        determinant = xx * yy - xy**2
        determinant[0, 0] = np.inf  # a shift of everything is free, and so is one that changes sign like a chessboard
        if rows % 2 == cols % 2 == 0:
            determinant[rows // 2, cols // 2] = np.inf
        self._xx, self._yy, self._xy = yy / determinant, xx / determinant, -xy / determinant

    def apply(self, forces: Values) -> Values:
        """Return the displacements (2, rows, cols) of the reference material under forces (2, rows, cols)."""
        from scipy.fft import irfft2, rfft2

        x, y = rfft2(forces, axes=(-2, -1), workers=self._threads)
        moved = np.stack([self._xx * x + self._xy * y, self._xy * x + self._yy * y])
        out: Values = irfft2(moved, s=self._shape, axes=(-2, -1), workers=self._threads, overwrite_x=True)
        return out


def _alone(tensor: Values, axis: int) -> float:
    """Return the stress along one axis per strain when the other two stresses are zero."""
    others = [each for each in range(3) if each != axis]
    coupling = tensor[axis, others]
    rest = tensor[np.ix_(others, others)]
    return float(tensor[axis, axis] - coupling @ np.linalg.pinv(rest, hermitian=True) @ coupling)

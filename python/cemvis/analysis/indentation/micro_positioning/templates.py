"""What an imprint looks like: an outline of some size, orientation and sharpness, fitted to the mean imprint."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from cemvis.analysis.indentation.micro_positioning.background import Spectrum

Floats = NDArray[np.float32]

CORNERS = {"triangle": 3, "disc": 0}
_RIM = 0.08  # relative half width of the band along the outline
_LEAST_RIM_PX = 0.25  # half width; thinner bands can't be told from the fill
_SHARP_BLUR_PX = 0.5
_SIZE_STEP_PX = 1.7  # moves a triangle's sides by half a pixel
_RIM_EVIDENCE = 30.0  # by which chi squared has to fall for a band: it trades off with size and sharpness


@dataclass(frozen=True)
class Template:
    """The mean imprint of a batch, as what it adds to the background.

    Attributes
    ----------
    shape : str
        "triangle" (equilateral, as a Berkovich tip leaves) or "disc".
    size_px : float
        Side of the triangle, or diameter of the disc.
    angle_rad : float
        From x to the normal of a side, towards y; in [0, 2 pi / 3). 0 for a disc.
    blur_px : float
        Standard deviation of the Gaussian that its edges are blurred with.
    fill, rim : float
        Grey levels added inside, and in a band along the outline.
    faces : tuple of float
        Grey levels added to the first and the second face, less their mean over all three: a detector that stands
        aside lights faces unequally. Of a disc, to its right and its lower edge.
    """

    shape: str
    size_px: float
    angle_rad: float
    blur_px: float
    fill: float
    rim: float
    faces: tuple[float, float] = (0.0, 0.0)

    @property
    def radius_px(self) -> float:
        """From the centre to where the template ends."""
        reach = self.size_px / math.sqrt(3) if self.shape == "triangle" else self.size_px / 2
        return reach * (1 + _RIM) + 3 * self.blur_px + 1

    def scaled(self, factor: float) -> Template:
        """Return the template in pixels `factor` times as large, whose area blurs it; the inverse for 1 / factor."""
        own = (1 - 1 / factor**2) / 12  # variance of a large pixel's area less a small one's, in large pixels
        blur = math.sqrt(max(self.blur_px**2 / factor**2 + own, 0.0))
        return replace(self, size_px=self.size_px / factor, blur_px=blur)

    def image(self) -> Floats:
        """Return the template on pixels, (t, t) float32 with t odd and the centre in the middle."""
        edge = 2 * math.ceil(self.radius_px) + 1
        levels = (self.fill, self.rim, *self.faces)
        parts = components(self, edge, shaded=any(self.faces))
        total = np.sum([level * part for level, part in zip(levels, parts, strict=False)], axis=0)
        return np.asarray(total, dtype=np.float32)


def components(template: Template, edge: int, *, shaded: bool = False) -> tuple[Floats, ...]:
    """Return what a template is made of, (edge, edge) float32 each.

    The filled outline, the band along it, both between 0 and 1, and if `shaded` what lights two faces more than the
    mean; see `Template.faces`.
    """
    offset = np.arange(edge) - edge // 2
    x, y = offset[None, :].astype(np.float64), offset[:, None].astype(np.float64)
    depth = _depth(template, x, y)
    band = _band_px(template)
    fill = np.clip(depth + 0.5, 0, 1)
    rim = np.clip(depth + band + 0.5, 0, 1) - np.clip(depth - band + 0.5, 0, 1)
    parts = [fill, rim, *(fill * light for light in _lit(template, x, y))] if shaded else [fill, rim]
    # Blurred as pictures: distances from the outline would round corners in another way than a beam does.
    blurred = (scipy.ndimage.gaussian_filter(part, template.blur_px, mode="constant") for part in parts)
    return tuple(part.astype(np.float32) for part in blurred)


def _lit(template: Template, x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return how much more than the mean the first two faces are lit; see `Template.faces`."""
    if template.shape == "disc":
        radius = template.size_px / 2
        return tuple(np.broadcast_to(each / radius, np.broadcast_shapes(x.shape, y.shape)) for each in (x, y))
    outwards = np.stack([x * math.cos(a) + y * math.sin(a) for a in _normals(template)])
    face = outwards >= outwards.max(axis=0) - 1e-6
    share = face / face.sum(axis=0)  # the apex belongs to all three
    return share[0] - 1 / 3, share[1] - 1 / 3


def _normals(template: Template) -> NDArray[np.float64]:
    """Return the directions of a triangle's sides' normals, from x towards y."""
    return np.asarray(template.angle_rad + 2 * math.pi / 3 * np.arange(3))


def _band_px(template: Template) -> float:
    """Return half the width of the band along the outline."""
    return _RIM * template.size_px / (2 * math.sqrt(3) if template.shape == "triangle" else 2)


def _depth(template: Template, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance inwards from the outline, in px; along the nearest side's normal for a triangle."""
    if template.shape == "disc":
        return np.asarray(template.size_px / 2 - np.hypot(x, y))
    inner = template.size_px / (2 * math.sqrt(3))
    return np.asarray(np.min([inner - (x * math.cos(a) + y * math.sin(a)) for a in _normals(template)], axis=0))


def _least_angle(template: Template) -> Template:
    """Return the same template with its angle in [0, 2 pi / 3)."""
    turns = math.floor(template.angle_rad / (2 * math.pi / 3))
    faces = (*template.faces, 0.0)
    first, second, third = (faces[(n - turns) % 3] for n in range(3))
    angle = template.angle_rad - turns * 2 * math.pi / 3
    if template.shape == "disc":
        return replace(template, angle_rad=0.0)
    return replace(template, angle_rad=angle, faces=(first - third, second - third))


@dataclass(frozen=True)
class Fit:
    """A template fitted to a mean window.

    Attributes
    ----------
    template : Template
    centre_px : (2,) float64
        x and y of its centre from the middle of the window.
    evidence : float
        By how much it lowers chi squared; the square of its signal-to-noise ratio.
    """

    template: Template
    centre_px: NDArray[np.float64]
    evidence: float


class MeanWindow:
    """The mean of windows around imprints, on which templates are tried against the background's spectrum.

    Parameters
    ----------
    mean : (n, n) float32
        n odd, the imprints' supposed centre in the middle.
    spectrum : Spectrum
        Of the background.
    count : int
        Windows in the mean.
    shift_px : float
        How far the centre may lie from the middle.
    """

    def __init__(self, mean: Floats, spectrum: Spectrum, count: int, *, shift_px: float) -> None:
        n = len(mean)
        taper = np.minimum(1, 8 * np.minimum(np.arange(n) + 0.5, n - np.arange(n) - 0.5) / n)
        border = np.concatenate([mean[0], mean[-1], mean[:, 0], mean[:, -1]])
        flat = (mean - np.median(border)) * np.outer(taper, taper)
        self._edge = n
        self._of_mean = scipy.fft.rfft2(np.roll(flat, (-(n // 2), -(n // 2)), (0, 1)))
        self._inverse = (count / spectrum.on((n, n))).astype(np.float64)
        self._inverse[0, 0] = 0
        self._weight = np.full(self._of_mean.shape[1], 2.0)
        self._weight[0] = 1
        if n % 2 == 0:
            self._weight[-1] = 1
        offset = scipy.fft.fftfreq(n, 1 / n)
        self._allowed = np.hypot(offset[:, None], offset[None, :]) <= shift_px

    def fit(self, template: Template, *, shaded: bool = False) -> Fit:
        """Return the template with its best grey levels and place; size, angle and blur stay.

        A band, and if `shaded` unequal faces, are taken only if they lower chi squared enough.
        """
        parts = [scipy.fft.rfft2(self._rolled(part)) for part in components(template, self._edge, shaded=shaded)]
        n = self._edge
        gram = np.array([[self._dot(a, b) for b in parts] for a in parts])
        maps = np.stack([scipy.fft.irfft2(np.conj(part) * self._of_mean * self._inverse, s=(n, n)) for part in parts])
        sets: list[tuple[int, ...]] = [(0,)]
        if _band_px(template) >= _LEAST_RIM_PX:
            sets.append((0, 1))
        if shaded:
            sets.append((0, 1, 2, 3))
        best: tuple[float, tuple[int, ...], NDArray[np.float64], NDArray[np.float64]] | None = None
        for price, chosen in enumerate(sets):
            own = gram[np.ix_(chosen, chosen)]
            own = own + 1e-6 * np.trace(own) / len(chosen) * np.eye(len(chosen)) * (len(chosen) > 1)
            solved = np.einsum("kl,lyx->kyx", np.linalg.inv(own), maps[list(chosen)])
            gained = np.where(self._allowed, (solved * maps[list(chosen)]).sum(axis=0), -np.inf) - price * _RIM_EVIDENCE
            if best is None or gained.max() > best[0]:
                best = float(gained.max()), chosen, gained, solved
        assert best is not None
        height, chosen, evidence, solved = best
        row, col = np.unravel_index(int(evidence.argmax()), evidence.shape)
        centre = np.array([_peak(evidence[row], col), _peak(evidence[:, col], row)])
        centre = (centre + n / 2) % n - n / 2
        level = np.zeros(4)
        level[list(chosen)] = solved[:, row, col]
        fill, rim, first, second = map(float, level)
        return Fit(replace(template, fill=fill, rim=rim, faces=(first, second)), centre, height)

    def refined(self, start: Template, *, evaluations: int = 90, shaded: bool = False) -> Fit:
        """Return the best fit near a template, over size, angle and blur (Nelder-Mead)."""
        from scipy.optimize import minimize

        turn = max(start.size_px, 8) / 2  # an angle's worth of pixels

        def made(p: NDArray[np.float64]) -> Template:
            size = min(max(p[0], 2.0), 0.95 * self._edge)
            angle = p[1] / turn if start.shape == "triangle" else 0.0
            return replace(start, size_px=size, angle_rad=angle, blur_px=min(abs(p[2]), size / 2))

        first = np.array([start.size_px, start.angle_rad * turn, start.blur_px])
        step = np.array([0.06 * start.size_px, 0.06 * start.size_px, max(0.4 * start.blur_px, 0.3)])
        simplex = np.vstack([first, first + np.diag(step)])
        best = minimize(
            lambda p: -self.fit(made(p), shaded=shaded).evidence,
            first,
            method="Nelder-Mead",
            options={"maxfev": evaluations, "initial_simplex": simplex, "xatol": 0.02, "fatol": 0.1},
        )
        fit = self.fit(made(best.x), shaded=shaded)
        return replace(fit, template=_least_angle(fit.template))

    def resized(self, start: Template, *, shaded: bool = False) -> Fit:
        """Return the best fit near a template whose size and sharpness may be wrong.

        Two sides of a smaller one can pass for it; and a mean of windows that weren't quite centred is blurred, which a
        refinement alone would not leave again.
        """
        # Sharp outlines that miss by a pixel lose to a band whose one edge hits, so sharp ones are tried closely.
        near, far = 0.7 * start.size_px, min(1.4 * start.size_px, 0.9 * self._edge)
        sharp = np.arange(min(near, far), far + _SIZE_STEP_PX, _SIZE_STEP_PX)
        tried = [(float(size), _SHARP_BLUR_PX) for size in sharp]
        if start.blur_px > _SHARP_BLUR_PX:
            tried += [(float(size), start.blur_px) for size in np.geomspace(min(near, far), far, 7)]
        fits = [self.fit(replace(start, size_px=size, blur_px=blur)) for size, blur in tried]
        return self.refined(max(fits, key=lambda fit: fit.evidence).template, shaded=shaded)

    def searched(self, sizes_px: NDArray[np.float64], blurs_px: NDArray[np.float64]) -> Fit:
        """Return the best fit over both shapes, these sizes and blurs and all angles, then refined."""
        angles = np.arange(8) * (2 * math.pi / 3 / 8)
        fits = [
            self.fit(Template(shape, size, angle, blur, 1.0, 0.0))
            for shape in CORNERS
            for size in sizes_px
            for blur in blurs_px
            for angle in (angles if shape == "triangle" else (0.0,))
        ]
        best = {
            shape: self.refined(max((f for f in fits if f.template.shape == shape), key=lambda f: f.evidence).template)
            for shape in CORNERS
        }
        return max(best.values(), key=lambda f: f.evidence)

    def _rolled(self, image: Floats) -> Floats:
        return np.roll(image, (-(self._edge // 2), -(self._edge // 2)), (0, 1))

    def _dot(self, a: NDArray[np.complexfloating], b: NDArray[np.complexfloating]) -> float:
        return float((np.real(np.conj(a) * b) * self._inverse * self._weight).sum() / self._edge**2)


def _peak(profile: NDArray[np.float64], at: np.intp) -> float:
    """Return the place of a maximum from the parabola through it and its neighbours, on a ring."""
    before, here, after = (profile[(int(at) + step) % len(profile)] for step in (-1, 0, 1))
    curvature = before - 2 * here + after
    if not np.isfinite(curvature) or curvature >= 0:
        return float(at)
    return float(at + 0.5 * (before - after) / curvature)

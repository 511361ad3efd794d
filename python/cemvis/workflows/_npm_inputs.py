"""What `cemvis npm` is given: images, regions for the anchors and clinker masks, checked before anything is written."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cemvis._checks import fraction, positive
from cemvis._files import access_errors, sha256_of
from cemvis.analysis.porosity.clinker import ClinkerRule
from cemvis.errors import FileAccessError, InputError, PixelSizeError, PixelSizeWarning
from cemvis.images.micrograph import Micrograph, open_micrograph
from cemvis.images.pixel_size import TOLERANCE, PixelSize
from cemvis.workflows._npm_regions import Region

Session = Literal["all", "folder", "image"]

_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")
_MASK_SUFFIXES = (".tif", ".tiff", ".png")
LEAST_SIGMA_PX, MOST_SIGMA_PX = 0.1, 256.0  # MicF is filtered tile by tile, and a tile's halo is 4 sigma
_MADE = (".mulf", ".micf", ".clinker", ".modified", ".truth")


@dataclass(frozen=True, kw_only=True)
class NpmConfig:
    """How grey becomes porosity, and what is measured.

    Parameters
    ----------
    csh_grey, metal_grey : float, optional
        The anchors, in grey levels; without them they come from regions, without these from the images.
    csh_error, metal_error : float
        Standard errors of given anchors.
    csh_regions, metal_regions : tuple of Region
    session : {"all", "folder", "image"}
        Which images share one pair of anchors.
    clinker : {"auto", "none"} or Path
        Segmented, left out, or a mask file, or a folder of NAME.clinker.tif.
    rule : ClinkerRule, optional
        What counts as clinker; without it, the greys of its minerals by their formulas.
    least_clinker_um : float
        Diameter of a disc that has to fit into clinker, without a rule.
    energy_kev : float
    curve : {"monte-carlo", "mixture"}
        Where eta(n) comes from.
    sigma_px : float
        Of the Gaussian that leaves microscale features.
    map_px : int
        Edge of the squares that statistics are given for.
    pore_threshold : float, optional
        Porosity above which a pixel is pore; None for ISODATA of each map by itself.
    pixel_size : PixelSize, optional
    resamplings, seed : int
        For the anchors' errors.
    figures : bool

    Raises
    ------
    InputError
        If a number is out of its range, or an anchor is given twice over.
    """

    csh_grey: float | None = None
    metal_grey: float | None = None
    csh_error: float = 0.0
    metal_error: float = 0.0
    csh_regions: tuple[Region, ...] = ()
    metal_regions: tuple[Region, ...] = ()
    session: Session = "all"
    clinker: Path | Literal["auto", "none"] = "auto"
    rule: ClinkerRule | None = None
    least_clinker_um: float = 1.5
    energy_kev: float = 5.0
    curve: str = "monte-carlo"
    sigma_px: float = 10.0
    map_px: int = 384
    pore_threshold: float | None = 0.5
    pixel_size: PixelSize | None = None
    resamplings: int = 200
    seed: int = 0
    figures: bool = True

    def __post_init__(self) -> None:
        for name, grey, regions in (
            ("C-S-H", self.csh_grey, self.csh_regions),
            ("metal", self.metal_grey, self.metal_regions),
        ):
            if grey is not None and regions:
                msg = f"the anchor of {name} is given as a grey and by a region; wanted one of the two"
                raise InputError(msg)
            if grey is not None and not math.isfinite(grey):
                msg = f"the grey of {name} is {grey}; wanted a number"
                raise InputError(msg)
        if self.csh_grey is not None and self.metal_grey is not None and self.metal_grey - self.csh_grey < 1:
            msg = (
                f"the anchors are C-S-H {self.csh_grey:g} and metal {self.metal_grey:g}; wanted the metal's at least 1 "
                "above that of C-S-H: metal is the brightest in an image of backscattered electrons"
            )
            raise InputError(msg)
        if not 8 <= self.map_px <= 8192:
            msg = f"maps of {self.map_px} px are wanted; wanted 8 to 8192"
            raise InputError(msg)
        if not LEAST_SIGMA_PX <= self.sigma_px <= MOST_SIGMA_PX:
            msg = f"sigma_px is {self.sigma_px!r}; wanted {LEAST_SIGMA_PX:g} to {MOST_SIGMA_PX:g}"
            raise InputError(msg)
        positive(self.least_clinker_um, name="least_clinker_um")
        if self.pore_threshold is not None:
            fraction(self.pore_threshold, name="pore_threshold")
        for name, error in (("csh_error", self.csh_error), ("metal_error", self.metal_error)):
            if not 0 <= error < math.inf:
                msg = f"{name} is {error!r}; wanted 0 or more grey levels"
                raise InputError(msg)
        if self.resamplings < 0:
            msg = f"resamplings is {self.resamplings}; wanted 0 or more"
            raise InputError(msg)


@dataclass(frozen=True)
class Source:
    """An image that was looked at.

    Attributes
    ----------
    path : Path
    name : str
        Of what is made of it, with the folders below the one given: ``classA/s1/r3``.
    session : str
        Images of one session share anchors.
    shape : (rows, cols)
    dtype : str
    pixel_size : PixelSize
    sha256 : str
    clinker : Path or None
        A mask file.
    clinker_sha256 : str or None
        Of that file as it was given: the maps may be written over it.
    """

    path: Path
    name: str
    session: str
    shape: tuple[int, int]
    dtype: str
    pixel_size: PixelSize
    sha256: str
    clinker: Path | None
    clinker_sha256: str | None = None

    def opened(self) -> Micrograph:
        """Open the image again, without what was warned of when it was looked at."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PixelSizeWarning)
            return open_micrograph(self.path, pixel_size=self.pixel_size)

    @property
    def levels(self) -> int:
        """How many grey levels its type has."""
        return 256 if self.dtype == "uint8" else 65536

    def to_json(self) -> dict[str, Any]:
        """Return it for a record."""
        return {
            "path": str(self.path),
            "sha256": self.sha256,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "pixel_size_um": self.pixel_size.um,
            "pixel_size_source": self.pixel_size.source,
        }


def find_images(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """Return images and the names of what is made of them; in a folder, its .bse files, or all images without any.

    Raises
    ------
    InputError
        If there are none, or two would be given the same name.
    """
    found: list[tuple[Path, str]] = []
    for path in paths:
        if path.is_dir() and not any((path / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup")):
            inside = [each for each in sorted(path.rglob("*")) if _is_image(each, path)]
            pictures = [each for each in inside if _stem(each).lower().endswith(".bse")] or inside
            if not pictures:
                msg = f"{path} holds no images; wanted NAME.tif or NAME.bse.tif (PNG and JPEG too), in any sub-folders"
                raise InputError(msg)
            found += [(each, (each.relative_to(path).parent / _name(each)).as_posix()) for each in pictures]
        elif not path.exists():
            msg = f"{path} is not there; wanted an image or a folder of images"
            raise FileAccessError(msg)
        else:
            found.append((path, _name(path)))
    if not found:
        msg = "nothing to calibrate; give at least one image"
        raise InputError(msg)
    seen: dict[str, Path] = {}
    for path, name in found:
        if name in seen:
            msg = f"{path} and {seen[name]} would both be written as {name}; give the folder above them instead"
            raise InputError(msg)
        seen[name] = path
    return found


def _is_image(path: Path, root: Path) -> bool:
    parts = path.relative_to(root).parts
    hidden = any(part[0] in "._" for part in parts)
    return (
        not hidden and path.suffix.lower() in _SUFFIXES and path.is_file() and not _stem(path).lower().endswith(_MADE)
    )


def _stem(path: Path) -> str:
    stem = path.stem
    return stem[:-4] if stem.lower().endswith(".ome") else stem


def _name(path: Path) -> str:
    stem = _stem(path)
    return stem[:-4] if stem.lower().endswith(".bse") and len(stem) > 4 else stem


def look_at(images: Sequence[tuple[Path, str]], config: NpmConfig) -> tuple[Source, ...]:
    """Open every image once, and check that they go together.

    Raises
    ------
    InputError
        If one is given twice, or those of a session differ in type.
    PixelSizeError
        If a pixel size is not known, or differs by more than 1 %.
    """
    sources: list[Source] = []
    seen: dict[str, Path] = {}
    for path, name in images:
        with open_micrograph(path, pixel_size=config.pixel_size) as image:
            size = image.require_pixel_size()
            digest = image.digest()
            if digest in seen:
                msg = f"{path} holds the same bytes as {seen[digest]}: an image given twice; give each once"
                raise InputError(msg)
            seen[digest] = path
            session = {"all": "all", "folder": path.parent.as_posix(), "image": name}[config.session]
            mask = _mask_of(path, name, config.clinker, single=len(images) == 1)
            mask_digest = None if mask is None else _digest_of(mask)
            dtype = image.dtype.name
            sources.append(Source(path, name, session, image.shape, dtype, size, digest, mask, mask_digest))
        first = sources[0]
        if abs(size.um - first.pixel_size.um) > TOLERANCE * first.pixel_size.um:
            msg = (
                f"{path} has pixels of {size} and {first.path} of {first.pixel_size}; wanted one size (within 1 %): "
                "resample them, or run each by itself"
            )
            raise PixelSizeError(msg)
        other = next((each for each in sources if each.session == session and each.dtype != sources[-1].dtype), None)
        if other is not None:
            msg = f"{path} is {sources[-1].dtype} and {other.path} {other.dtype}; those of a session are of one"
            raise InputError(msg)
    return tuple(sources)


def _mask_of(path: Path, name: str, clinker: Path | str, *, single: bool) -> Path | None:
    if isinstance(clinker, str):
        return None
    if clinker.is_dir():
        for base in (name, Path(name).name):
            for suffix in _MASK_SUFFIXES:
                candidate = clinker / f"{base}.clinker{suffix}"
                if candidate.is_file():
                    return candidate
        msg = (
            f"{clinker} holds no {name}.clinker.tif (or .png) for {path}; make one, or let it be found: --clinker auto"
        )
        raise InputError(msg)
    if not clinker.is_file():
        msg = f"the clinker mask {clinker} is not there; wanted a file, a folder, auto or none"
        raise FileAccessError(msg)
    if not single:
        msg = f"one mask, {clinker}, is given for several images; give a folder of NAME.clinker.tif"
        raise InputError(msg)
    return clinker


def _digest_of(mask: Path) -> str:
    with access_errors(mask, doing="read"):
        return sha256_of(mask)

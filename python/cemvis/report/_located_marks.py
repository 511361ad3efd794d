"""How located indents are marked in all pictures: by shape and colour, told apart without colour, too; and captions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis import __version__
from cemvis._files import digests_in
from cemvis.analysis.indentation.located import ACCEPT, AMBIGUOUS, MISSING, PORE, REJECT, UNREGISTERED, LocatedIndents

if TYPE_CHECKING:
    from matplotlib.artist import Artist

# Okabe and Ito's colours, which stay apart for colour-blind eyes; all stand out on grey.
BLUE, SKY, GREEN, YELLOW, ORANGE, RED, PURPLE = (
    "#0072b2",
    "#56b4e9",
    "#009e73",
    "#f0e442",
    "#e69f00",
    "#d55e00",
    "#cc79a7",
)
FLAG_MARKS = {MISSING: ("x", RED), PORE: ("s", GREEN), AMBIGUOUS: ("^", ORANGE), UNREGISTERED: ("D", PURPLE)}
REJECTED_MARK, ACCEPTED_MARK = ("X", "#ffffff"), ("o", "#ffffff")
LINES = ("-", "--", "-.", ":")
SERIES = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY, "#000000")


def mark_style(marker: str, colour: str, size_pt: float) -> dict[str, Any]:
    """Return how a mark is drawn by `Axes.plot`: hollow where it has an inside, so that the imprint stays in sight."""
    hollow = marker in "s^Do"
    return {
        "marker": marker,
        "markersize": size_pt,
        "markerfacecolor": "none" if hollow else colour,
        "markeredgecolor": colour if marker != "X" else "#000000",
        "markeredgewidth": 0.8 if marker == "X" else 1.3,
        "linestyle": "none",
    }


def on_grey(artist: Artist, *, width: float = 1.0) -> None:
    """Give lines or letters a dark edge, so that they are seen on bright grey levels, too."""
    from matplotlib import patheffects

    artist.set_path_effects([patheffects.Stroke(linewidth=width + 1.2, foreground="#00000090"), patheffects.Normal()])


def batches_of(located: LocatedIndents) -> str:
    """Return how many batches there are, in words."""
    return f"{len(located.batches):,} {'batch' if len(located.batches) == 1 else 'batches'}"


def origin_line(located: LocatedIndents) -> str:
    """Return what a picture of these indents was made from: files, digests, pixel size and version."""
    parts = []
    for name in ("before", "after", "indents_file"):
        about = located.about.get(name)
        if not isinstance(about, dict):
            continue
        path = str(about.get("path") or about.get("file") or name).replace("\\", "/").rsplit("/", 1)[-1]
        digest = next(iter(digests_in(about).values()), "")[:12]
        parts.append(f"{path} (sha256 {digest})" if digest else path)
    size = f"{located.pixel_size_um * 1000:.6g} nm/px on the before-image"
    return "; ".join([*([", ".join(parts)] if parts else []), size, f"cemvis {__version__}"]) + "."


def marks_of(
    located: LocatedIndents, decisions: Mapping[tuple[str, str], str]
) -> list[tuple[str, NDArray[np.bool_], tuple[str, str]]]:
    """Return the name, indents, and shape and colour of each kind of mark."""
    keys = list(zip(located.table.batch, located.table.id, strict=True))
    kinds = [(flag, np.array([each == flag for each in located.flag], bool), mark) for flag, mark in FLAG_MARKS.items()]
    for name, word, mark in (("rejected", REJECT, REJECTED_MARK), ("accepted", ACCEPT, ACCEPTED_MARK)):
        kinds.append((f"{name} by a person", np.array([decisions.get(key) == word for key in keys], bool), mark))
    return kinds

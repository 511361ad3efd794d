"""A page on which a person accepts or rejects doubtful indents: one HTML file that needs no network and no server."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis._files import write_text
from cemvis.analysis.indentation.located import LocatedIndents
from cemvis.images.micrograph import Micrograph
from cemvis.report._located_choice import reasons, review_choice
from cemvis.report._located_crops import Outline, Pair, Warped, edge_px, pair_at
from cemvis.report._located_marks import batches_of, origin_line
from cemvis.report.located import grey_range
from cemvis.report.page.markup import asset, filled, safe_json

MOST_DOUBTFUL, MOST_FINE, MOST_BYTES = 400, 40, 24_000_000
_THUMB_PX, _QUALITY = 224, 78
_FLAG_LETTERS = {"": ".", "missing": "m", "pore": "p", "ambiguous": "a", "unregistered": "u"}
_NO_IMAGE = (64, 104)  # grey levels of the stripes that stand where there is no image

Decisions = Mapping[tuple[str, str], tuple[str, str]]


@dataclass(frozen=True)
class ReviewPage:
    """What was written.

    Attributes
    ----------
    path : Path
    shown, doubtful_shown, doubtful : int
        Indents on the page, doubtful ones among them, and doubtful ones in all.
    """

    path: Path
    shown: int
    doubtful_shown: int
    doubtful: int


def write_review_page(
    located: LocatedIndents,
    before: Micrograph,
    warped: Warped,
    path: Path,
    *,
    decisions: Decisions | None = None,
    most: int = MOST_DOUBTFUL,
    fine: int = MOST_FINE,
    most_bytes: int = MOST_BYTES,
    progress: Callable[[str, int, int], None] | None = None,
) -> ReviewPage:
    """Write the page: thumbnails of doubtful indents and a sample of fine ones, decided on by click or key.

    Decisions stay in the browser's local storage and leave the page as decisions.csv (id, batch, decision, note).

    Parameters
    ----------
    before : Micrograph
    warped : callable
        ``warped(row, col, rows, cols)`` gives the after-image on the before-image's pixels, NaN where there is none.
    path : Path
        The HTML file; replaced if it is there.
    decisions : mapping, optional
        What was decided before: (batch, id) to decision and note. Those of indents that `located` lacks are left out.
    most, fine : int
        Most doubtful indents, and others, on the page.
    most_bytes : int
        Of pictures; the least doubtful are left out beyond it.
    progress : callable, optional
        Called with what is being done, steps done and all steps.

    Raises
    ------
    FileAccessError
        If the file cannot be written.
    """
    outline = Outline.of(located)
    edge = edge_px(located, outline, times=2.6, pitches=1.2)
    chosen, doubtful = review_choice(located, most=most, fine=fine)
    why = reasons(located)
    items: list[dict[str, Any]] = []
    size = 0
    for step, number in enumerate(chosen):
        item = _item(
            located, int(number), why[number], pair_at(before, warped, located.before_xy_px[number], edge=edge)
        )
        size += len(item["before"]) + len(item["after"])
        if size > most_bytes and items:
            break
        items.append(item | {"rank": step})
        if progress is not None:
            progress("review page", step + 1, len(chosen))
    shown = sum(item["why"] != "" for item in items)
    data = _data(located, items, edge, outline, decisions or {})
    write_text(
        path, _page(located, data, f"{shown:,} of {doubtful:,} doubtful indents and {len(items) - shown:,} others")
    )
    return ReviewPage(path, len(items), shown, doubtful)


def _page(located: LocatedIndents, data: dict[str, Any], shown: str) -> str:
    parts = {kind: asset(f"review_page.{kind}") for kind in ("html", "css", "js")}
    values = {
        "title": html.escape("Located indents: accept or reject"),
        "origin": html.escape(origin_line(located)),
        "shown": html.escape(f"{len(located):,} tests in {batches_of(located)}; here are {shown}."),
        "css": parts["css"].rstrip(),
        "js": parts["js"].rstrip(),
        "data": safe_json(data),
    }
    return filled(parts["html"], values)


def _data(
    located: LocatedIndents, items: list[dict[str, Any]], edge: int, outline: Outline | None, decisions: Decisions
) -> dict[str, Any]:
    table = located.table
    keys = list(zip(table.batch, table.id, strict=True))
    known = set(keys)
    here = {(item["batch"], item["id"]) for item in items}
    said = [[batch, name, *said] for (batch, name), said in decisions.items() if (batch, name) in known]
    images = [located.about.get(name, {}) for name in ("before", "after")]
    identity = [[str(about.get("sha256", "")) for about in images if isinstance(about, dict)], sorted(known)]
    best = located.score[np.isfinite(located.score)]
    return {
        "key": f"cemvis-review-{_digest(identity)}",
        "baseline": _digest(sorted(said)),
        "edge_px": edge,
        "edge_um": float(f"{edge * located.pixel_size_um:.3g}"),
        "outline": None if outline is None else [[round(float(v), 2) for v in xy] for xy in outline.corners_px()],
        "best_score": max(float(np.percentile(best, 90)), 1.0) if best.size else 1.0,
        "items": items,
        # Names of the rest: a file of decisions may speak of them, too.
        "others": [key for key in keys if key not in here],
        "batches": _batches(located),
        "decisions": said,
    }


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:20]


def _item(located: LocatedIndents, number: int, why: str, pair: Pair | None) -> dict[str, Any]:
    table = located.table
    modulus, reduced = table.modulus_gpa[number], table.reduced_modulus_gpa[number]
    residual = [_plain(float(value), 2) for value in located.residual_px[number]]
    place = [_plain(float(value), 3) for value in (table.x_um[number], table.y_um[number])]
    return {
        "number": number,
        "id": table.id[number],
        "batch": table.batch[number],
        "row": int(table.row[number]),
        "column": int(table.column[number]),
        "score": _plain(located.score[number], 2),
        "residual": None if None in residual else residual,
        "error": _plain(located.error_px[number], 3),
        "modulus": _plain(modulus if math.isfinite(modulus) else reduced, 4),
        "reduced": bool(not math.isfinite(modulus) and math.isfinite(reduced)),
        "hardness": _plain(table.hardness_gpa[number], 4),
        "depth": _plain(table.depth_nm[number], 1),
        "status": table.status[number],
        "why": why,
        "xy": None if None in place else place,
        # In the drawing, unlike in the image, the corner of the top-left pixel is the origin.
        "centre": [0, 0] if pair is None else [round(place + 0.5, 2) for place in pair.centre_px],
        "before": "" if pair is None else _jpeg(pair.before),
        "after": "" if pair is None else _jpeg(pair.after),
    }


def _plain(value: float, digits: int) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None


def _jpeg(image: NDArray[np.float32]) -> str:
    """Return a window as JPEG in base 64, stretched to its own grey levels; empty if nothing of it is known."""
    from PIL import Image

    known = np.isfinite(image)
    if not known.any():
        return ""
    low, high = grey_range(image, 0.0)
    row, col = np.indices(image.shape)
    stripes = np.where((row + col) // 6 % 2, *_NO_IMAGE)
    grey = np.clip((np.where(known, image, low) - low) / max(high - low, 1e-6) * 255 + 0.5, 0, 255)
    picture = Image.fromarray(np.where(known, grey, stripes).astype(np.uint8))
    if max(picture.size) > _THUMB_PX:
        picture = picture.resize((_THUMB_PX, _THUMB_PX), Image.Resampling.BOX)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_QUALITY, optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")


def _batches(located: LocatedIndents) -> dict[str, dict[str, Any]]:
    """Return flags and scores of all indents at their places, batch by batch, for the neighbours of those shown."""
    found: dict[str, dict[str, Any]] = {}
    for batch in located.batches:
        places = batch.rows * batch.columns
        found[batch.name] = {
            "rows": batch.rows,
            "columns": batch.columns,
            "flags": ["."] * places,
            "scores": [None] * places,
        }
    table = located.table
    rows: Sequence[int] = table.row.tolist()
    columns: Sequence[int] = table.column.tolist()
    for number, (name, row, column) in enumerate(zip(table.batch, rows, columns, strict=True)):
        batch_map = found.get(name)
        if batch_map is not None and 0 <= row < batch_map["rows"] and 0 <= column < batch_map["columns"]:
            at = row * batch_map["columns"] + column
            batch_map["flags"][at] = _FLAG_LETTERS[located.flag[number]]
            batch_map["scores"][at] = _plain(located.score[number], 1)
    return {name: batch_map | {"flags": "".join(batch_map["flags"])} for name, batch_map in found.items()}

"""The files of a virtual specimen's area after indentation: the second mosaic, the indenter's export and the truth."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis import __version__
from cemvis._files import write_text, written_whole
from cemvis.analysis.specimen.after import AfterImage
from cemvis.analysis.specimen.area import BATCH
from cemvis.analysis.specimen.campaign import DEPTH_NM, LOST_PORE_SHARE, Campaign
from cemvis.analysis.specimen.visit import Visit
from cemvis.images.ome_tiff import MICROMETRE, Raster, write_ome_tiff

AFTER, INDENTER = "after.tif", "indenter.csv"
TRUTH_INDENTS, TRUTH_DISPLACEMENT = "truth_indents.csv", "truth_displacement.ome.tif"
DISPLACEMENT_STEP_PX = 32
_TILE = 256

Progress = Callable[[str, int, int], None]


def write_after(
    image: AfterImage, part: Path, origin: dict[str, Any], *, threads: int | None, progress: Progress, name: str
) -> dict[str, Any]:
    """Write what a second visit and the indenter leave of an area; return what specimen.json says of it."""
    about = "Virtual backscattered-electron image after indentation."
    raster = Raster("BSE", about, image.area.pixel_size_um, origin=origin)

    def mosaic() -> Iterator[NDArray[np.uint8]]:
        done = 0
        for band in image.bands(threads=threads):
            yield band
            done += len(band)
            progress(f"{name}: BSE image after indentation", done, image.shape[0])

    write_ome_tiff(part / AFTER, mosaic(), shape=image.shape, dtype="uint8", raster=raster, compression="zstd")
    batches = batch_names(image.campaign, image.area.index)
    write_text(part / INDENTER, _indenter_csv(image.campaign, batches))
    write_text(part / TRUTH_INDENTS, _truth_csv(image, batches))
    write_displacement(part / TRUTH_DISPLACEMENT, image.visit, image.area.pixel_size_um, origin)
    return _record(image, batches)


def batch_names(campaign: Campaign, area: int) -> list[str]:
    """Return the name of the batch of each test."""
    return [f"a{area:03d}-b{n // BATCH**2:03d}" for n in range(len(campaign.xy_um))]


def _indenter_csv(campaign: Campaign, batches: list[str]) -> str:
    """Return what the indenter exports, in the order of the tests: positions as commanded, in the stage's frame."""
    lines = ["id,batch,row,column,x_um,y_um,modulus_gpa,hardness_gpa,depth_nm,load_mn,status"]
    ids = campaign.ids
    for n in np.argsort(campaign.order):
        x, y = campaign.stage_xy_um[n]
        failed = campaign.indents.failed[n]
        values = "," if failed else f"{campaign.indents.modulus_gpa[n]:.3f},{campaign.indents.hardness_gpa[n]:.4f}"
        load = "" if campaign.missed[n] else f"{campaign.load_mn[n]:.4f}"
        lines.append(
            f"{ids[n]},{batches[n]},{_place(n)},{x:.3f},{y:.3f},{values},{DEPTH_NM:.0f},{load},"
            f"{'failed' if failed else 'ok'}"
        )
    return "\n".join(lines) + "\n"


def _truth_csv(image: AfterImage, batches: list[str]) -> str:
    campaign, pixel_um = image.campaign, image.area.pixel_size_um
    visible, ids = image.visible(), campaign.ids
    lines = [
        "id,batch,row,column,x_um,y_um,after_x_px,after_y_px,side_px,contact_depth_nm,visible,in_pore,missed,"
        "pore_share,cracks,pile_up"
    ]
    for n, imprint in enumerate(campaign.imprints):
        (x, y), (after_x, after_y) = campaign.xy_um[n], image.after_xy_px[n]
        missed = bool(campaign.missed[n])
        size = (
            ","
            if missed
            else (f"{campaign.side_um[n] / pixel_um / image.visit.scale:.3f},{campaign.contact_nm[n]:.2f}")
        )
        lost = int(campaign.pore_share[n] > LOST_PORE_SHARE)
        seen = "," if imprint is None else f"{len(imprint.cracks)},{imprint.pile_up:.3f}"
        lines.append(
            f"{ids[n]},{batches[n]},{_place(n)},{x:.6f},{y:.6f},{after_x:.4f},{after_y:.4f},{size},"
            f"{int(visible[n])},{lost},{int(missed)},{campaign.pore_share[n]:.4f},{seen}"
        )
    return "\n".join(lines) + "\n"


def _place(n: int) -> str:
    row, column = divmod(int(n) % BATCH**2, BATCH)
    return f"{row},{column}"


def write_displacement(path: Path, visit: Visit, pixel_size_um: float, origin: dict[str, Any]) -> None:
    """Write by how many pixels the first mosaic's coordinates exceed the second's, x and y, at every 32nd pixel."""
    from tifffile import TiffWriter

    rows, cols = (-(-edge // DISPLACEMENT_STEP_PX) for edge in (visit.rows, visit.cols))
    made_from = json.dumps(origin, sort_keys=True)
    description = (
        f"Position on before.tif minus position on after.tif in px, first x, then y, at every {DISPLACEMENT_STEP_PX}nd "
        f"pixel of after.tif from its first; it jumps at the seams. {made_from}"
    )
    identity = json.dumps(["displacement", made_from, rows, cols])
    step_um = DISPLACEMENT_STEP_PX * pixel_size_um
    side = min(_TILE, -(-max(rows, cols) // 16) * 16)
    with written_whole(path) as beside, TiffWriter(beside, ome=True, bigtiff=rows * cols > 2**27) as writer:
        writer.write(
            data=_displacement_tiles(visit, rows, cols, side),
            shape=(2, rows, cols),
            dtype="float32",
            tile=(side, side),
            compression="zlib",
            photometric="minisblack",
            software=f"cemvis {__version__}",
            metadata={
                "axes": "CYX",
                "Name": "Displacement (px)",
                "Description": description,
                "Channel": {"Name": ["x (px)", "y (px)"]},
                "PhysicalSizeX": step_um,
                "PhysicalSizeXUnit": MICROMETRE,
                "PhysicalSizeY": step_um,
                "PhysicalSizeYUnit": MICROMETRE,
                "Creator": f"cemvis {__version__}",
                "UUID": str(uuid.uuid5(uuid.NAMESPACE_URL, f"cemvis:{identity}")),
            },
        )


def _displacement_tiles(visit: Visit, rows: int, cols: int, side: int) -> Iterator[NDArray[np.float32]]:
    for axis in range(2):
        for row in range(0, rows, side):
            for col in range(0, cols, side):
                across = np.arange(col, min(col + side, cols), dtype=np.float64) * DISPLACEMENT_STEP_PX
                down = np.arange(row, min(row + side, rows), dtype=np.float64) * DISPLACEMENT_STEP_PX
                after = np.stack(np.meshgrid(across, down), axis=-1)
                tile = np.zeros((side, side), np.float32)
                tile[: len(down), : len(across)] = (visit.after_to_before(after) - after)[..., axis]
                yield tile


def _record(image: AfterImage, batches: list[str]) -> dict[str, Any]:
    campaign = image.campaign
    names = list(dict.fromkeys(batches))
    return {
        "truth_visit": image.visit.to_json(),
        "truth_dust": [asdict(speck) for speck in image.dust],
        "truth_stage": {name: asdict(batch) for name, batch in zip(names, campaign.batches, strict=True)},
        "tip_orientation_deg": float(np.rad2deg(campaign.orientation_rad)),
        "visible": int(image.visible().sum()),
        "missed": int(campaign.missed.sum()),
        "units_after": {
            "after_x_px": "px",
            "after_y_px": "px",
            "side_px": "px",
            "contact_depth_nm": "nm",
            "load_mn": "mN",
            "truth_displacement": "px",
        },
    }

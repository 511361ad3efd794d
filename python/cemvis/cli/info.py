"""`cemvis info`: what a micrograph file holds."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from cemvis.cli._options import parse_pixel_size
from cemvis.errors import CemvisError, CemvisWarning

if TYPE_CHECKING:
    from cemvis.images.description import Description
    from cemvis.images.pixel_size import PixelSize


@click.command("info")
@click.argument("files", metavar="FILE...", nargs=-1, type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
@click.option(
    "--pixel-size", metavar="LENGTH", callback=parse_pixel_size, help="Size of a pixel with its unit, such as '40 nm'."
)
@click.option("--info-bar/--no-info-bar", default=True, help="Look for an info bar under the picture.  [default: on]")
@click.option("--digest", is_flag=True, help="Compute the SHA-256 digest too (reads the whole file).")
@click.option("--devices", is_flag=True, help="List the CUDA devices that can be used.")
def command(
    files: tuple[str, ...], as_json: bool, pixel_size: PixelSize | None, info_bar: bool, digest: bool, devices: bool
) -> None:
    """Show size, pixel size, info bar, storage and grey scale of micrographs.

    Reads TIFF, BigTIFF, OME-TIFF, PNG, JPEG, Zarr and OME-Zarr.
    """
    if not files and not devices:
        msg = "Missing argument 'FILE...' (or --devices)."
        raise click.UsageError(msg)
    results: list[dict[str, Any]] = []
    failed = False
    for file in files:
        try:
            description, warned = _described(file, pixel_size, info_bar=info_bar, digest=digest)
        except CemvisError as error:
            failed = True
            results.append({"path": file, "error": str(error)})
            click.echo(f"Error: {error}", err=True)
            continue
        results.append({**description.to_json(), "warnings": warned})
        if not as_json:
            _print(description, warned)
    listed = _devices() if devices else {}
    if as_json:
        click.echo(json.dumps({"files": results, **listed}, indent=2, ensure_ascii=False))
    elif devices:
        _print_devices(listed)
    if failed:
        raise click.exceptions.Exit(1)


def _described(file: str, size: PixelSize | None, *, info_bar: bool, digest: bool) -> tuple[Description, list[str]]:
    """Return the description of a file, and the warnings that came up."""
    from cemvis.images.description import describe
    from cemvis.images.micrograph import open_micrograph

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CemvisWarning)
        with open_micrograph(file, pixel_size=size, info_bar=info_bar) as micrograph:
            description = describe(micrograph, digest=digest)
    return description, [str(warning.message) for warning in caught if issubclass(warning.category, CemvisWarning)]


def _print(description: Description, warned: list[str]) -> None:
    rows, cols = description.shape
    click.echo(click.style(description.path, bold=True))
    _line("size", f"{cols} x {rows} px (width x height), {description.dtype}")
    if description.pixel_size is None or description.field_um is None:
        _line("pixel size", "unknown; give it with its unit, for example --pixel-size '40 nm'")
    else:
        _line("pixel size", f"{description.pixel_size} ({description.pixel_size.source})")
        height_um, width_um = description.field_um
        _line("field of view", f"{_length(width_um)} x {_length(height_um)} (width x height)")
    if description.info_bar_rows:
        said_by = "by the file's metadata" if description.info_bar_source == "metadata" else "found in the picture"
        _line("info bar", f"{description.info_bar_rows} rows left out, {said_by}")
    else:
        _line("info bar", "none")
    _line("storage", f"{description.format}, {description.layout}")
    low, high = description.grey_range
    sampled = description.pixels_counted < rows * cols
    counted = f" (of {description.pixels_counted:,} pixels looked at)" if sampled else ""
    _line("grey levels", f"{low} to {high}, {description.levels_in_use} in use{counted}")
    sure = "" if description.anchors.reliable else "not reliable: "
    _line("anchors", sure + description.anchors.text)
    if description.sha256:
        _line("sha256", description.sha256)
    for note in description.notes:
        _line("note", note)
    for warning in warned:
        _line("warning", warning.removeprefix(f"{description.path}: "))


def _line(name: str, text: str) -> None:
    click.echo(f"  {name:<14} {text}")


def _length(um: float) -> str:
    return f"{um / 1e3:.4g} mm" if um >= 1e3 else f"{um:.4g} um"


def _devices() -> dict[str, Any]:
    from cemvis.kernels.devices import cuda_devices

    return {"cuda": asdict(cuda_devices())}


def _print_devices(listed: dict[str, Any]) -> None:
    found = listed["cuda"]
    click.echo(click.style("CUDA devices", bold=True))
    for device in found["devices"]:
        memory = f"{device['memory_bytes'] / 2**30:.1f} GiB"
        _line(device["name"], f"compute capability {device['compute_capability']}, {memory}")
    if not found["devices"]:
        _line("none", found["reason"])

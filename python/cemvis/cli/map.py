"""``cemvis map``: maps of modulus and hardness over a BSE mosaic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cemvis.cli._console import progress_bar, shown_warnings
from cemvis.cli._options import parse_anchors, parse_pixel_size
from cemvis.errors import FileAccessError

if TYPE_CHECKING:
    from cemvis.images.pixel_size import PixelSize
    from cemvis.models.inference import Backend
    from cemvis.workflows.map import Anchors, MapResult

SAMPLE = Path(__file__).parents[1] / "data" / "sample.tif"
SAMPLE_STEP_UM = 1.28  # twice the stride of the embedded network at the sample's 40 nm/px: nothing to round
INTERRUPTED = 130  # what shells report for a command that Ctrl-C ended


@click.command("map")
@click.argument("mosaic", required=False, type=click.Path(path_type=Path))
@click.option(
    "--model",
    metavar="FILE|resnet|table",
    help="Model file, or the name of an embedded model, for demonstration.  [default: the embedded network where it "
    "fits the mosaic, else the table]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default="cemvis-map",
    show_default=True,
    help="Folder for the files.",
)
@click.option(
    "--step",
    "step_um",
    type=click.FloatRange(min=0, min_open=True),
    metavar="UM",
    help="Distance between cells in um, rounded to whole pixels, in dense maps to multiples of 8.  [default: the "
    f"model's window; {SAMPLE_STEP_UM} with --sample]",
)
@click.option(
    "--pixel-size",
    callback=parse_pixel_size,
    metavar="LENGTH",
    help="Pixel size with unit, such as '40 nm'.  [default: the file's]",
)
@click.option(
    "--anchors",
    callback=parse_anchors,
    default="auto",
    show_default=True,
    metavar="auto|none|MATRIX,CLINKER",
    help="How the grey scale is matched with the model's: by the histogram's matrix and clinker peaks, not at all, or "
    "by these two grey levels of the mosaic.",
)
@click.option(
    "--mask",
    type=click.Path(path_type=Path),
    help="Image of the mosaic's size, nonzero where it is to be mapped.  [default: everywhere]",
)
@click.option("--threads", type=click.IntRange(1, 4096), help="Threads.  [default: all cores]")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda|cuda:1|mps",
    help="Where a network runs; auto is the fastest there is.",
)
@click.option(
    "--backend",
    type=click.Choice(["auto", "torch", "onnx"]),
    default="auto",
    show_default=True,
    help="What a network runs with.",
)
@click.option("--batch", type=click.IntRange(min=1), help="Windows for a network at once.  [default: by their size]")
@click.option(
    "--tile",
    "tile_samples",
    type=click.IntRange(min=1),
    metavar="SAMPLES",
    help="Edge of the tiles of a dense map; smaller ones take less memory.  [default: 1024, or five windows]",
)
@click.option("--resume", is_flag=True, help="Continue an unfinished map of the same inputs and settings.")
@click.option("--overwrite", is_flag=True, help="Replace the files of an earlier map.")
@click.option("--sample", is_flag=True, help="Map the virtual mosaic that comes with cemvis.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress and no summary; warnings are still shown.")
@click.pass_context
def command(
    ctx: click.Context,
    mosaic: Path | None,
    model: str | None,
    output: Path,
    step_um: float | None,
    pixel_size: PixelSize | None,
    anchors: Anchors,
    mask: Path | None,
    threads: int | None,
    device: str,
    backend: Backend,
    batch: int | None,
    tile_samples: int | None,
    resume: bool,
    overwrite: bool,
    sample: bool,
    quiet: bool,
) -> None:
    """Map modulus and hardness over a BSE mosaic.

    MOSAIC is a TIFF, BigTIFF, OME-TIFF, PNG, JPEG or Zarr image, 8 or 16 bit grey. Each window, brought to the
    model's grey scale, gives a prediction: by its mean grey, or by a network that reads its pixels. A network trained
    with --dense runs once over the mosaic for steps of whole multiples of its stride (see cemvis model info), and
    several times for finer ones. The output folder gets maps as float32 OME-TIFF, a table of cells as CSV and Parquet,
    figures as PNG and summary.json.
    """
    if sample == (mosaic is not None):
        msg = "give either a MOSAIC or --sample"
        raise click.UsageError(msg)
    if sample and step_um is None:
        step_um = SAMPLE_STEP_UM
    told: list[str] = []

    def tell(note: str) -> None:  # before the long work, so that it can still be stopped
        told.append(note)
        click.echo(f"Note: {note}.", err=True)

    try:
        from cemvis.workflows.map import map_mosaic

        with shown_warnings(), progress_bar(quiet=quiet) as progress:
            result = map_mosaic(
                _sample() if mosaic is None else mosaic,
                model,
                output=output,
                step_um=step_um,
                pixel_size=pixel_size,
                anchors=anchors,
                mask=mask,
                threads=threads,
                device=device,
                backend=backend,
                batch=batch,
                tile_samples=tile_samples,
                resume=resume,
                overwrite=overwrite,
                progress=progress,
                notify=None if quiet else tell,
            )
    except KeyboardInterrupt:
        _say_how_to_resume(output)
        ctx.exit(INTERRUPTED)
    if not quiet:
        click.echo(_summary(result, told))


def _sample() -> Path:
    if not SAMPLE.is_file():
        msg = f"this installation has no sample ({SAMPLE.name}); give a MOSAIC"
        raise FileAccessError(msg)
    return SAMPLE


def _say_how_to_resume(output: Path) -> None:
    from cemvis.workflows.map import unfinished

    kept = unfinished(output)
    if kept is None:
        click.echo("Interrupted before anything was computed; nothing was written.", err=True)
    else:
        click.echo(f"Interrupted; what was finished is kept in {kept}: run the same command with --resume.", err=True)


def _summary(result: MapResult, told: list[str]) -> str:
    """Return in words what was mapped and where the files are; notes that were `told` are not repeated."""
    rows, cols = result.grid.shape
    counts = result.counts
    share = f"{counts.mapped:,} of {counts.cells:,}" if counts.masked else f"{counts.cells:,}"
    lines = [
        f"Mapped {share} cells ({rows:,} x {cols:,}) of {result.grid.window_um:.4g} um, one every "
        f"{result.grid.step_um:.4g} um, at {result.pixel_size} per pixel ({result.pixel_size.source})."
    ]
    if any(result.grid.left_over_px):
        bottom, right = result.grid.left_over_px
        lines.append(f"Left over, since no whole window fits: {bottom} px at the bottom, {right} px at the right.")
    lines += [f"Note: {note}." for note in result.notes if note not in told]
    lines.append(f"Grey scale: {result.transform.note}")
    if result.network:
        lines.append(f"Network: {result.network}.")
    for name, numbers in result.statistics.items():
        low, middle, high = (f"{numbers.quantiles[share]:.3g}" for share in (0.05, 0.5, 0.95))
        lines.append(
            f"{name.capitalize()}: mean {numbers.mean:.3g}, median {middle}, 5 to 95 % from {low} to {high} "
            f"{result.units[name]}."
        )
    lines += [f"{name.capitalize()}: {why}." for name, why in result.interval_notes.items()]
    if counts.border:
        whose = "the border of the mosaic or of the mask" if counts.masked else "the mosaic's border"
        lines.append(f"Without an interval, since the network reads over {whose}: {counts.border:,} cells.")
    if counts.outside:
        lines.append(f"Outside the model's training range: {counts.outside:,} cells ({counts.outside_share:.1%}).")
    if result.warnings:
        lines.append(f"Warnings: {len(result.warnings)}, shown above, on the figures and in summary.json.")
    names = ", ".join(path.name for path in result.files if path.suffix != ".png")
    lines += ["", "Pictures:"]
    lines += [f"  {path}" for path in result.files if path.suffix == ".png"]
    lines += [f"Data, in {result.output}: {names}"]
    return "\n".join(lines)

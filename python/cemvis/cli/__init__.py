"""The command line: a module a command, found by name when it is called."""

from __future__ import annotations

import errno
import importlib

import click

from cemvis import __version__
from cemvis.errors import CemvisError

# name -> (module under cemvis.cli, one line of help). Modules load when their command runs, so that --help is fast.
COMMANDS: dict[str, tuple[str, str]] = {
    "backscatter": ("backscatter", "Simulate how many electrons a solid sends back."),
    "classify": ("classify", "Tell classes of nano-porosity maps apart."),
    "compare": ("compare", "Compare classes of paste by their pore structure, on one page."),
    "baseline": ("baseline", "Tell classes of nano-porosity maps apart by plain statistics."),
    "dataset": ("dataset", "Choose located indents as pairs to train on."),
    "homogenise": ("homogenise", "Estimate the elastic modulus of the paste as a whole."),
    "deconvolve": ("deconvolve", "Find the mechanical populations in indents or a map."),
    "explain": ("explain", "Explain where a network's answers come from."),
    "indents": ("indents", "Read an indenter's files into one table of indents."),
    "info": ("info", "Show what micrograph files hold."),
    "map": ("map", "Map modulus and hardness over a BSE mosaic."),
    "model": ("model", "Show what a model file holds."),
    "npm": ("npm", "Map nano-porosity of metal-intruded paste."),
    "reconstruct": ("reconstruct", "Find an image of a given two-point correlation."),
    "register": ("register", "Find where an after-image lies on a before-image."),
    "locate": ("locate", "Locate indents on the mosaic taken before they were made."),
    "report": ("report", "Show run folders as one HTML page."),
    "review": ("review", "Draw located indents, and judge the doubtful ones."),
    "specimen": ("specimen", "Make a virtual cement paste with known truth."),
    "train": ("train", "Train a model from mosaics and indents."),
    "two-point": ("two_point", "Count which grey levels lie how far from each other."),
    "validate": ("validate", "Compare maps of an unseen area with measured indents."),
}


class _LazyGroup(click.Group):
    """A group whose commands are imported when called, and whose errors are one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"cemvis.cli.{COMMANDS[cmd_name][0]}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except CemvisError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # who reads the output has seen enough; click ends quietly
                raise
            about = f"{error.filename}: " if error.filename is not None else ""
            msg = f"{about}{error.strerror or error}"
            raise click.ClickException(msg) from error


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cemvis")
def main() -> None:
    """Modulus and hardness maps of cement paste from backscattered-electron (BSE) images."""

"""The options of ``cemvis train --network resnet``; where one is not given, the paper's value holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from cemvis.models.trainer_config import Precision, Schedule

if TYPE_CHECKING:
    from cemvis.workflows.resnet_training import ResNetConfig

Command = TypeVar("Command", bound=Callable[..., Any])

_WHOLE = click.IntRange(min=1)
_OPTIONS = (
    click.option("--downsample", type=_WHOLE, help="Average so many pixels along each edge first.  [resnet; 1]"),
    click.option(
        "--dense",
        "pooled",
        type=_WHOLE,
        metavar="N",
        help="For dense maps: no padding, and the mean of N x N features.  [resnet; the paper's padding]",
    ),
    click.option("--stem-pool", is_flag=True, default=None, help="Pool behind the stem: faster, coarser.  [resnet]"),
    click.option("--epochs", type=_WHOLE, help="Passes over the training pairs.  [resnet; 100]"),
    click.option("--batch", type=click.IntRange(min=2), help="Windows in a step.  [resnet; 32]"),
    click.option("--learning-rate", type=click.FloatRange(0, min_open=True), help="Of Adam.  [resnet; 1e-5]"),
    click.option(
        "--schedule",
        type=click.Choice(get_args(Schedule)),
        help="How the rate falls: where validation gets no better, or in one cycle.  [resnet; plateau]",
    ),
    click.option("--stop-after", type=_WHOLE, help="Stop after so many epochs that were no better.  [resnet; never]"),
    click.option("--weight-decay", type=click.FloatRange(0, 1, max_open=True), help="Of AdamW.  [resnet; 0]"),
    click.option(
        "--precision", type=click.Choice(get_args(Precision)), help="Mixed precision of the arithmetic.  [resnet; no]"
    ),
    click.option("--device", help="auto, cpu, cuda, cuda:1, mps.  [resnet; auto]"),
    click.option("--half", is_flag=True, default=None, help="Keep the weights in float16.  [resnet]"),
    click.option("--resume", is_flag=True, default=None, help="Go on with a training that was stopped.  [resnet]"),
)
_NETWORK = ("downsample", "pooled", "stem_pool", "half", "resume")


def resnet_options(command: Command) -> Command:
    """Give `command` the options of a residual network."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def resnet_config(network: str, given: dict[str, Any]) -> ResNetConfig:
    """Return what the options say, and refuse them for another kind of network."""
    from cemvis.models.networks import RESNET
    from cemvis.models.trainer_config import TrainerConfig
    from cemvis.workflows.resnet_training import ResNetConfig

    said = {name: value for name, value in given.items() if value is not None}
    if said and network != RESNET:
        names = ", ".join("--dense" if name == "pooled" else f"--{name.replace('_', '-')}" for name in said)
        msg = f"{names} only with --network {RESNET}; this is --network {network}"
        raise click.UsageError(msg)
    trainer = TrainerConfig(**{name: value for name, value in said.items() if name not in _NETWORK})
    return ResNetConfig(**{name: value for name, value in said.items() if name in _NETWORK}, trainer=trainer)

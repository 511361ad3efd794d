"""``cemvis model``: what is in a model file."""

from __future__ import annotations

import json

import click


@click.group("model")
def command() -> None:
    """Look at model files."""


@command.command("info")
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="Print the file's header as JSON.")
def info(file: str, as_json: bool) -> None:
    """Print the card of a model: what it predicts, where it is valid, what it was trained on, how good it is.

    FILE is a model file, or the word "embedded" for the model that comes with cemvis.
    """
    from cemvis.models.model_file import embedded_model, load_model
    from cemvis.models.model_header import header_of
    from cemvis.report.model_card import model_card

    model = embedded_model() if file == "embedded" else load_model(file)
    if as_json:
        click.echo(json.dumps(header_of(model) | {"sha256": model.digest}, indent=2))
    else:
        click.echo(model_card(model))

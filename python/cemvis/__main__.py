"""Run the command line as ``python -m cemvis``."""

from cemvis.cli import main

main(prog_name="cemvis")

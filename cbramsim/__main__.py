"""``python -m cbramsim`` is the `cbram` command."""

from cbramsim.experiments.cli import main

main(prog_name="cbram")

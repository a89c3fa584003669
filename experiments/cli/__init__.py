"""The `cbram` command: its commands by group, and its handling of errors and signals.

A group is a module beside this one, which is imported when one of its commands is used. The imports
of a command are made when it runs, so that help appears at once.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

import click

from cbramsim import __version__
from cbramsim.core.errors import CbramError
from cbramsim.core.interrupts import endings_raised, status_of

COMMANDS = {
    "learn": {
        "train": "Learn a dataset inside the array.",
        "predict": "Classify images from a saved state.",
        "sweep": "Run any grid over any keys, on all cores.",
        "pruning": "Soft against hard pruning: accuracy and energy.",
        "neurons": "Accuracy against the number of neurons.",
        "compare": "Mean and spread over seeds of finished runs.",
        "keys": "List the keys of config.toml.",
    },
    "devices": {
        "devices": "List cell technologies, or show and draw one.",
        "fit": "Turn measured pulse trains into a device file.",
        "compare-devices": "One network in every memory technology.",
        "sensitivity": "Which assumed numbers decide what the cell saves.",
        "attribute": "What each imperfection of a device costs.",
        "robustness": "Accuracy against how imperfect a device is.",
    },
    "array": {
        "array": "Converters, tiles, binary cells, programming.",
        "wires": "What the resistance of lines does, and how to solve for it.",
    },
    "energy": {
        "ladder": "Joules to learn digits: from FP32 to this array.",
        "cache-fit": "Which size of network suits the caches.",
    },
    "networks": {"map": "Your trained network in arrays: accuracy by cause, joules."},
    "papers": {"reproduce": "What papers report, and what comes out here."},
    "tools": {
        "doctor": "What is installed, whether it works, how to mend it.",
        "completion": "Complete commands in bash, zsh or fish.",
        "benchmark": "Time the training loop.",
    },
}
"""Groups (modules beside this one) -> commands (functions in them) -> their purpose."""
LONGEST_ERROR = 2000
"""Most characters of an error."""


class Group(click.Group):
    """Group of the commands in the modules of `COMMANDS`, listed under headings.

    It prints errors that the user can correct as one line, and exits with status 2; after Ctrl-C,
    SIGTERM or SIGHUP, with the status of that signal.
    """

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of all commands."""
        return [name for commands in COMMANDS.values() for name in commands]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import a command."""
        for group, commands in COMMANDS.items():
            if name in commands:
                module = import_module(f"{__name__}.{group}")
                found: click.Command = getattr(module, name.replace("-", "_"))
                return found
        return None

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under the names of their groups."""
        width = max(map(len, self.list_commands(context)))
        for group, commands in COMMANDS.items():
            with formatter.section(group.capitalize()):
                formatter.write_dl([(name.ljust(width), what) for name, what in commands.items()])

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line."""
        try:
            with endings_raised():
                return super().main(*args, **kwargs)
        except OSError as error:  # of standard output; click has looked after broken pipes
            self._leave_because_of(error)

    def invoke(self, context: click.Context) -> Any:
        """Run a command."""
        try:
            if sys.stdout is None:
                raise CbramError("standard output is closed; /dev/null may take its place")
            return super().invoke(context)
        except CbramError as error:
            self._leave(str(error))
        except KeyboardInterrupt as interrupt:
            sys.exit(status_of(interrupt))
        except MemoryError:
            self._leave("out of memory")
        except BrokenPipeError:
            raise  # click leaves without a word
        except OSError as error:
            self._leave_because_of(error)

    def _leave_because_of(self, error: OSError) -> NoReturn:
        """Exit naming a file that cannot be reached; one without a name is standard output."""
        where = error.filename
        if where is None:
            where = "standard output"
            with suppress(OSError, ValueError):  # so that nothing is tried again at exit
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        self._leave(f"{where}: {error.strerror or error}")

    def _leave(self, reason: str) -> NoReturn:
        """Exit with one line of bounded length, whatever is quoted in it."""
        line = " ".join(reason.split())
        say(f"Error: {line if len(line) <= LONGEST_ERROR else line[:LONGEST_ERROR] + '...'}")
        sys.exit(2)


def say(text: str) -> None:
    """Print to standard error, if it still exists: a terminal may have been closed."""
    with suppress(OSError):
        click.echo(text, err=True)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cbram")
def main() -> None:
    """Learn inside a simulated subquantum CBRAM array, and account for every joule."""

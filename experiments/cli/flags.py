"""Common parts of commands: flags that recur, flags made from parameter objects, kinds of
values."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial, wraps
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from cbramsim.core.errors import CbramError, shown
from cbramsim.experiments.cli import say

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

Command = Callable[..., Any]
Keys = dict[str, Any]
"""Values of the configuration by key."""

SAME = "the same command goes on."
"""Description of how studies continue after an interrupt: finished runs are kept."""

# ---- kinds of values ---------------------------------------------------------------------------


class _Path(click.Path):
    """Type of a path that has a name."""

    def convert(self, value: Any, param: Any, context: Any) -> Any:
        if value == "" or "\0" in str(value):
            self.fail(f"must be the name of a file or folder (got {value!r})", param, context)
        return super().convert(value, param, context)


PATH = _Path(path_type=Path)


def names(_: Any, option: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """Return the names in the value of an option, each once; None if it is not given."""
    if text is None:
        return None
    found = tuple(part.strip() for part in text.split(","))
    if not all(found) or len(found) != len(set(found)):
        must = "must be names, each once, with commas between them"
        raise CbramError(f"{option.opts[0]}: {must} (got {shown(text)})")
    return found


def counts(_: Any, option: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    """Return the whole numbers from 1 on in the value of an option; None if it is not given."""
    if text is None:
        return None
    found = text.split(",")
    if not all(part.strip().isdecimal() and len(part) <= 9 for part in found):
        must = "must be whole numbers from 1 to 999,999,999 with commas between them"
        raise CbramError(f"{option.opts[0]}: {must} (got {shown(text)})")
    return tuple(map(int, found))


def numbers(_: Any, option: click.Parameter, text: str | None) -> tuple[float, ...] | None:
    """Return the numbers in the value of an option; None if it is not given."""
    try:
        return None if text is None else tuple(float(part) for part in text.split(","))
    except ValueError:
        must = "must be numbers with commas between them"
        raise CbramError(f"{option.opts[0]}: {must} (got {shown(text)})") from None


# ---- flags that recur --------------------------------------------------------------------------

option = partial(click.option, show_default=True)
flag = partial(option, is_flag=True)
several = partial(option, callback=names)
out = partial(option, "--out", type=PATH, metavar="FOLDER", help="Folder to write.")
force = partial(flag, "--force", help="Overwrite what is in that folder.")
quick = partial(flag, "--quick")
seeds = partial(option, "--seeds", type=click.IntRange(1), metavar="N", help="Runs of each kind.")
devices = partial(several, "--devices", metavar="A,B,...")
quiet = flag("--quiet", help="Show no progress.")
as_json = flag("--json", "as_json", help="Print JSON instead of text.")
config = option("--config", type=PATH, metavar="FILE", help="TOML file; flags override it.")
settings = option("--set", "settings", multiple=True, metavar="KEY=VALUE",
                  help="Any key of `cbram keys`, such as stdp.ltp=0.2")  # fmt: skip
scheduler = option("--scheduler", metavar="ADDRESS", help="A running Dask cluster, tcp://HOST:PORT")
workers = option("--workers", type=click.IntRange(1), metavar="N",
                 help="Processes on this machine  [one per core]")  # fmt: skip
engine = option("--engine", type=click.Choice(["auto", "cpu", "cuda"]), default="auto",
                help="Where networks learn; auto: on a graphics card if there is one.")  # fmt: skip
again = force(help="Do runs of another version or configuration again.")


def with_base(command: Command) -> Command:
    """Add the flags of a configuration, and pass it to `command` as `base`."""

    @wraps(command)
    def run(config: Path | None, settings: tuple[str, ...], **others: Any) -> Any:
        return command(base=collect(config, settings, {}), **others)

    return config(settings(run))


def with_cluster(command: Command) -> Command:
    """Add the flags for the place of runs, and pass them to `command` as `at`."""

    @wraps(command)
    def run(
        scheduler: Any, workers: Any, force: bool, quiet: bool, engine: Any, **others: Any
    ) -> Any:
        from cbramsim.experiments.study.runner import Where

        return command(at=Where(scheduler, workers, force, quiet, engine), **others)

    return scheduler(workers(again(quiet(engine(run)))))


def reported(command: Command) -> Command:
    """Print the findings of `command`, as text or JSON; after Ctrl-C, print how to continue.

    Exits with status 1 if runs have failed.
    """

    @wraps(command)
    def run(*, as_json: bool = False, **others: Any) -> None:
        from cbramsim.experiments.tables import for_people

        with going_on(SAME):
            found = command(**others)
        click.echo(found.to_json() if as_json else for_people(found.report()))
        if found.failures:
            sys.exit(1)

    return run


def study(default_seeds: int) -> Callable[[Command], Command]:
    """Add the common flags of studies: runs over seeds of one configuration, on one machine or a
    cluster."""
    return lambda command: seeds(default=default_seeds)(reported(with_base(with_cluster(command))))


@contextmanager
def going_on(*how: str) -> Iterator[None]:
    """Print after Ctrl-C how to continue; by default the notes of the interrupt."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        say("\n" + "; ".join(["Interrupted", *(how or getattr(interrupt, "__notes__", ()))]))
        raise


# ---- flags made from parameter objects ---------------------------------------------------------


class KeysCommand(click.Command):
    """Command with a flag for some keys of a parameter object, which passes the given ones as
    `keys`.

    Types, ranges, defaults and meanings are those of the object's fields, and it refuses wrong
    values. It is imported when the command runs, or its help is shown.
    """

    def __init__(
        self, *args: Any, of: tuple[str, str], flags: dict[str, str], **kwargs: Any
    ) -> None:
        """Take module and name of the object, and `flags`: flag -> dotted key."""
        super().__init__(*args, **kwargs)
        self.of, self.flags = of, flags

    @cached_property
    def _options(self) -> list[click.Parameter]:
        from cbramsim.experiments.list_keys import fields

        module, name = self.of
        found = fields(getattr(import_module(module), name))
        return [_option(flag, found[key]) for flag, key in self.flags.items()]

    def get_params(self, context: click.Context) -> list[click.Parameter]:
        """Return the flags of the keys, then all others.

        A shell that completes words needs their names only, and at once.
        """
        if context.resilient_parsing:
            named = [click.Option([flag], help=f"key {key}") for flag, key in self.flags.items()]
            return [*named, *super().get_params(context)]
        return [*self._options, *super().get_params(context)]

    def invoke(self, context: click.Context) -> Any:
        """Run the command, with the flags that are given by the keys that they set."""
        values = [context.params.pop(option.name) for option in self._options]
        pairs = zip(self.flags.values(), values, strict=True)
        context.params["keys"] = {key: value for key, value in pairs if value is not None}
        return super().invoke(context)


def _option(flag: str, field: FieldInfo) -> click.Option:
    from cbramsim.core.validation import describe

    inner = get_args(field.annotation)  # of a union, or the choices of a literal
    kind = next((kind for kind in (int, float) if kind in (field.annotation, *inner)), str)
    choices = "|".join(choice for choice in inner if isinstance(choice, str))
    metavar = choices or {int: "N", float: "F", str: "NAME"}[kind]
    meaning, _, accepted = describe(field).rpartition(" [")
    meaning = meaning.partition(". ")[0].removesuffix(".")  # the rest is told by `cbram keys`
    return click.Option([flag], type=kind, metavar=metavar, help=f"{meaning}  [{accepted}")


def collect(config: Path | None, settings: tuple[str, ...], keys: Keys) -> Keys:
    """Merge a TOML file with ``--set`` and `keys`, which override it, into nested values."""
    from cbramsim.core.toml_files import flat, nested, parse_value, read_toml
    from cbramsim.simulator.learning.old_words import in_todays_words

    given = dict(keys)
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key.strip():
            raise CbramError(f"--set: must be KEY=VALUE (got {shown(setting)})")
        for name, value in flat({key.strip(): parse_value(text.strip())}).items():
            if given.setdefault(name, value) != value:
                raise CbramError(
                    f"--set: {name} is given twice, as {shown(given[name])} and {shown(value)}"
                )
    values = flat(read_toml(config)) if config else {}
    return in_todays_words(nested(values | given))

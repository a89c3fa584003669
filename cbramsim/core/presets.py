"""Presets that ship with the package as TOML files, and files of the same form by the user."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, Self

from cbramsim.core.arguments import instance
from cbramsim.core.errors import DataError, ParameterError, nearest, shown
from cbramsim.core.toml_files import read_toml
from cbramsim.core.validation import Parameters


def catalog(package: str, folder: str = "catalog") -> dict[str, Path]:
    """Return the presets in a folder of a package: name -> TOML file."""
    found = Path(str(resources.files(package) / folder))
    return {path.stem: path for path in sorted(found.glob("*.toml"), key=lambda path: path.stem)}


def read(
    kind: str, name_or_path: str | Path, presets: Mapping[str, Path]
) -> tuple[Path, dict[str, Any]]:
    """Return file and content of a preset, or of a user's file.

    Parameters
    ----------
    kind
        Kind of preset, for messages: `device`, `chip`, ...
    name_or_path
        A key of `presets`, or a path that ends in .toml.
    presets
        As of `catalog`.

    Raises
    ------
    ParameterError
        If the name is not known.
    DataError
        If the file cannot be read or is not TOML.
    """
    path = Path(instance(f"{kind}:", name_or_path, str, Path))
    if path.suffix != ".toml":
        if str(name_or_path) not in presets:
            raise ParameterError(
                f"{kind}: must be one of {', '.join(presets)}, or a .toml file "
                f"(got {shown(str(name_or_path))}){nearest(str(name_or_path), presets)}"
            )
        path = presets[str(name_or_path)]
    try:
        return path, read_toml(path)
    except DataError as error:
        raise DataError(f"{kind} file {error}") from None


class Preset(Parameters):
    """Parameters with presets that ship with the package; a user's files have the same form."""

    catalog_package: ClassVar[str]
    """Package that contains the presets."""
    catalog_folder: ClassVar[str] = "catalog"
    """Folder of the presets in that package."""

    @classmethod
    def catalog(cls) -> dict[str, Path]:
        """Return the presets that ship with the package: name -> TOML file."""
        return catalog(cls.catalog_package, cls.catalog_folder)

    @classmethod
    def load(cls, name_or_path: str | Path) -> Self:
        """Load a preset by name, or a user's TOML file of the same form.

        Raises
        ------
        ParameterError
            If the name, a key, a unit or a value is not valid.
        DataError
            If the file cannot be read or is not TOML.
        """
        path, table = read(cls.__name__.lower(), name_or_path, cls.catalog())
        values = cls._values({"name": path.stem} | table, path)
        try:
            return cls(**values)
        except ParameterError as error:
            raise ParameterError(f"{path.name}: {error}") from None

    @classmethod
    def _values(cls, table: dict[str, Any], path: Path) -> dict[str, Any]:
        """Return the fields that the table of a file describes."""
        return table

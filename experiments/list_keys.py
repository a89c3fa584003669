"""`cbram keys`: every key of config.toml."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cbramsim.core.validation import describe
from cbramsim.experiments.tables import aligned, on_terminal


def run() -> str:
    """Return every key with its meaning, range and default: a line each, if not on a terminal."""
    from cbramsim.experiments.train.config import TrainConfig

    rows = [(key, describe(field)) for key, field in fields(TrainConfig).items()]
    if on_terminal():
        return aligned(("key", "meaning, range and default"), rows, wrap=True)
    return "\n".join(f"{key:<34} {text}" for key, text in rows)


def fields(cls: type[BaseModel], prefix: str = "") -> dict[str, FieldInfo]:
    """Return the fields of a parameter object, and of those inside it, by dotted key."""
    found: dict[str, FieldInfo] = {}
    for name, field in cls.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found |= fields(inner, f"{prefix}{name}.")
        else:
            found[prefix + name] = field
    return found

"""`cbram keys`: every key of config.toml."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cbramsim.core.validation import describe


def run() -> str:
    """Return one line per key: its dotted name, meaning, range and default."""
    from cbramsim.experiments.train import TrainConfig

    return "\n".join(f"{key:<34} {describe(field)}" for key, field in fields(TrainConfig).items())


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

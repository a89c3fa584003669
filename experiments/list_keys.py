"""`cbram keys`: every key of config.toml."""

from __future__ import annotations

from pydantic import BaseModel

from cbramsim.core.validation import describe
from cbramsim.experiments.train import TrainConfig


def run() -> str:
    """Return one line per key: its dotted name, meaning, range and default."""
    return "\n".join(_lines(TrainConfig, ""))


def _lines(cls: type[BaseModel], prefix: str) -> list[str]:
    lines = []
    for name, field in cls.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            lines += _lines(inner, f"{prefix}{name}.")
        else:
            lines.append(f"{prefix + name:<34} {describe(field)}")
    return lines

"""Validated parameter objects, whose errors name the key, the value and the range.

Every parameter object of the package derives from `Parameters`: frozen, without unknown keys, NaN
or infinity, and strict about types. An error is one line, ``Class.field: what is expected (got
value)``. Arguments of plain functions are checked by `cbramsim.core.arguments`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Self, Union, get_args, get_origin

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo

from cbramsim.core.errors import LONGEST_SHOWN, ParameterError, nearest, shown

NameOrPath = Annotated[str, BeforeValidator(lambda x: str(x) if isinstance(x, Path) else x)]
"""A preset's name, or a path, also as a `Path`."""


def zero_or_from(least: float) -> AfterValidator:
    """Refuse values that are neither 0 (none) nor at least `least`: they are too small to have a
    meaning."""

    def check(value: float) -> float:
        if 0 < value < least:
            raise ValueError(f"must be 0, or >= {least:g} (got {value:g})")
        return value

    return AfterValidator(check)


class Parameters(BaseModel):
    """Base of all parameter objects: frozen, with one-line errors for wrong values.

    Types are strict, as in TOML: a number is no text, and true is no number. A whole number may
    stand for a number, a list for a tuple, and a scalar of NumPy for its value.
    """

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_default=True,
        use_attribute_docstrings=True,
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ParameterError(_one_line(type(self), error)) from None

    # Nested objects are then validated in place, so that the whole path is in the message.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @field_validator("*", mode="before")
    @classmethod
    def _as_plain(cls, value: Any, info: ValidationInfo) -> Any:
        """Return a scalar of NumPy as its value, and a list as the required tuple."""
        if isinstance(value, np.generic):
            return value.item()
        field = cls.model_fields.get(info.field_name or "")
        if field and get_origin(field.annotation) is tuple and isinstance(value, list | np.ndarray):
            return tuple(np.asarray(value).tolist() if isinstance(value, np.ndarray) else value)
        return value

    @classmethod
    def check_values(cls, values: Mapping[str, Any]) -> None:
        """Refuse some `values` if a key is unknown or a value is not valid by itself.

        Their consistency with each other is not checked.
        """
        try:
            cls.__pydantic_validator__.validate_python(dict(values))
        except ValidationError as error:
            wrong = [detail for detail in error.errors() if detail["loc"][0] in values]
            if wrong:
                raise ParameterError(
                    "; ".join(_message(cls, d, within=False) for d in wrong)
                ) from None

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Copy the docstring of each field into that of the class."""
        own = [name for name in cls.__annotations__ if name in cls.model_fields]
        lines = [f"    {name}: {describe(cls.model_fields[name])}" for name in own]
        if lines:
            cls.__doc__ = "\n".join([cls.__doc__ or "", "", "    Fields:", "", *lines, ""])

    def replace(self, **changes: Any) -> Self:
        """Return a copy with `changes`, validated like a new object."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**(values | changes))


def _one_line(cls: type[BaseModel], error: ValidationError) -> str:
    return "; ".join(_message(cls, detail) for detail in error.errors())


def _message(cls: type[BaseModel], detail: Any, *, within: bool = True) -> str:
    parts = [cls.__name__] * within + [str(part)[:LONGEST_SHOWN] for part in detail["loc"]]
    path = ".".join(parts)
    owner, field = _field_at(cls, detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{path}: unknown key{nearest(str(detail['loc'][-1]), owner.model_fields)}"
    if detail["type"] == "missing":
        return f"{path}: is required"
    if detail["type"] == "value_error":
        error = detail["ctx"]["error"]
        # A `ParameterError` says itself which part of the value it is about.
        return f"{path}{'.' if isinstance(error, ParameterError) else ': '}{error}"
    value = detail["input"]
    expected = _expected(field) if field else detail["msg"].lower()
    hint = nearest(value, _choices(field)) if field and isinstance(value, str) else ""
    return f"{path}: must be {expected} (got {shown(value)}){hint}"


def _field_at(cls: type[BaseModel], loc: tuple[Any, ...]) -> tuple[type[BaseModel], Any]:
    """Return the model that owns the last part of `loc`, and that part's field if it has one."""
    field: FieldInfo | None = None
    for part in loc:
        field = cls.model_fields.get(part)
        inner = field.annotation if field else None
        if isinstance(inner, type) and issubclass(inner, BaseModel) and part != loc[-1]:
            cls = inner
    return cls, field


def describe(field: FieldInfo) -> str:
    """Return the meaning, range and default of a field, in one line."""
    meaning = " ".join((field.description or "").split())
    unit = next((item for item in field.metadata if isinstance(item, str)), "")
    accepted = _expected(field) + (f" ({unit})" if unit else "")
    scalar = isinstance(field.default, bool | int | float | str)
    default = f"; default {field.default}" if scalar else ""
    return f"{meaning} [{accepted}{default}]"


def _choices(field: FieldInfo) -> list[str]:
    return [str(choice) for choice in get_args(field.annotation) if isinstance(choice, str)]


def _expected(field: FieldInfo) -> str:
    """Describe what a field accepts: its choices, or its type and range."""
    if choices := _choices(field):
        return "one of " + ", ".join(choices)
    bounds = []
    for constraint in field.metadata:
        for attribute, symbol in (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<=")):
            limit = getattr(constraint, attribute, None)
            if limit is not None:
                bounds.append(f"{symbol} {limit:g}")
    kind: dict[Any, str] = {
        float: "a number",
        int: "a whole number",
        bool: "true or false",
        str: "a text",
        tuple: "a list",
    }
    annotation: Any = get_origin(field.annotation) or field.annotation
    if annotation in (Union, UnionType):
        annotation = next(item for item in get_args(field.annotation) if item is not type(None))
    name = kind.get(annotation, "a table")
    return " ".join([name, " and ".join(bounds)]).strip()

"""Circuits around the array: word-line drivers, sense amplifiers, neuron circuits."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from cbramsim.core.provenance import SourcedParameters

Joule = "J"


class Periphery(SourcedParameters):
    """Energy per event of the circuits around an array, J; presets live in `catalog/*.toml`."""

    catalog_package: ClassVar[str] = "cbramsim.simulator.circuits"

    e_word_line: Annotated[float, Field(ge=0, le=1), Joule]
    """Energy of the driver of one word line, per activation, J, without charging the line."""
    e_sense: Annotated[float, Field(ge=0, le=1), Joule]
    """Energy of one decision of a sense amplifier, J, without the current through the cell."""
    e_neuron: Annotated[float, Field(ge=0, le=1), Joule]
    """Energy of one neuron in one competition, J."""
    e_spike: Annotated[float, Field(ge=0, le=1), Joule]
    """Energy of one output spike, J."""
    e_add: Annotated[float, Field(ge=0, le=1), Joule] = 0.05e-12
    """Energy of one digital addition, J."""
    e_memory: Annotated[float, Field(ge=0, le=1), Joule] = 12.5e-12
    """Energy of one byte into or out of a digital memory of a megabyte beside the array, J."""
    e_multiply_add: Annotated[float, Field(ge=0, le=1), Joule] = 4.6e-12
    """Energy of one multiplication and addition in float32, J."""

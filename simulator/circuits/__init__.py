"""Circuits around an array: drivers, converters, references, and their costs."""

from cbramsim.simulator.circuits.circuits import Periphery

__all__ = ["Periphery"]

"""What stands around an array: drivers, converters, references, and what they cost."""

from cbramsim.simulator.circuits.circuits import Periphery

__all__ = ["Periphery"]

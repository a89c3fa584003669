"""What stands around an array: drivers, converters, references, and what they cost."""

from cbramsim.simulator.periphery.circuits import Periphery

__all__ = ["Periphery"]

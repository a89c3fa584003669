"""Studies of an array: writing of its cells, and the effect on other cells."""

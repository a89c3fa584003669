"""Studies of an array: how its cells are written, and what that does to others."""

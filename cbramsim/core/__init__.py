"""Foundations of all packages: errors, files, random streams, compiled verbs, checked
parameters."""

"""Conventional hardware, to compare arrays with: hierarchy, formats, perceptrons, chips, bills."""

"""Conventional hardware for comparison with arrays: hierarchy, formats, perceptrons, chips,
bills."""

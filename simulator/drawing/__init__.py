"""Figures and cards of arrays, solutions, ledgers and networks; they take arrays and texts."""

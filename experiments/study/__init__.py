"""Common frame of all studies: cases, runs, one tidy table, claims, figures, a report."""

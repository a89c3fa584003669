"""The frame of every study: cases, runs, one tidy table, claims, figures, a report."""

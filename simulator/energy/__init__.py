"""Joules: the ledger of every event, and bills with their uncertainty."""

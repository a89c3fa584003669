"""What every house stands on: errors, files, random streams, compiled verbs, checked parameters."""

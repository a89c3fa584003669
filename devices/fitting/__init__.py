"""From measured pulse trains to a `Device`: laws, spreads, intervals."""

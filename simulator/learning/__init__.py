"""A spiking network that learns in arrays: encoding, neurons, rules, pruning, its state."""

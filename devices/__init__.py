"""One memory cell: conductance states, pulses, noise, write and read energy."""

"""Learning rules, each in a file: parameters, equation and kernels."""

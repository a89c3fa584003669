"""Learning rules, a file each: parameters, equation and kernels."""

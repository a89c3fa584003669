"""What version 0.5.0 computed, kept so that no later one computes anything else."""

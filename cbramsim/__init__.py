"""Learning inside a simulated subquantum CBRAM array: accuracy, and an answer in joules."""

"""Effect of the cell technology on learning: technologies side by side, the cost of each
imperfection, and how much of it the network tolerates."""

"""What a cell technology means for learning: technologies side by side, what each imperfection
costs, and how much of it the network tolerates."""

"""Several arrays or several data sets: federated learning, joined weights, reuse."""

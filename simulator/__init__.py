"""Arrays of cells, the spiking network that learns in them, and the energy ledger."""

"""An array of cells: read as a product, programmed by pulses, ageing and wearing."""

"""A cell for other programs: a circuit for SPICE, a module in Verilog-A, plain numbers."""

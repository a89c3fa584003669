"""Line resistance: the exact nodal solution of an array, fast."""

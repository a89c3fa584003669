"""Images to learn from: data sets, pictures, arrays in files, and their grey levels."""

"""Images to learn from: data sets, pictures, arrays in files, and which grey levels they use."""

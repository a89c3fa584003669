"""The same learning job on conventional hardware: memory hierarchy, number formats, MLP."""

"""HTTP in: the registry's routes, by noun."""

"""HTTP in: routes by noun."""

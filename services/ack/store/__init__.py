"""SQL of the acknowledgment service, by noun."""

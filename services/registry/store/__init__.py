"""The registry's SQL, by noun: each statement beside the one typed function that runs it."""

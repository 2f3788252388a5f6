"""SQL of dispatch, by noun: the connection comes first, no function opens a transaction."""

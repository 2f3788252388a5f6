"""Dispatch: every delivery ends, handed over or undeliverable with a reason and somebody told."""

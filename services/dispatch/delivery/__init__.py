"""One delivery's way: claim, attempt, decide, record."""

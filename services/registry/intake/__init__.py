"""Reads the text of a letter into a draft, and says what it understood and what it did not."""

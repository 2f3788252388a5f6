"""Acknowledgments: who received which letter, under which number, on what date, and who has not."""

"""Proof of what was recorded: receipts, signed and chained, that anybody can check without Wian."""

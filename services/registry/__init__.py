"""The registry: agencies, lists, letters with their numbers and attachments, and the orders that send them round."""

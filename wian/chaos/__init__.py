"""What `make chaos` does: circulars go round while processes, the broker and the database are killed; nothing may be lost."""

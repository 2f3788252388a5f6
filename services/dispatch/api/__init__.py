"""HTTP in: endpoints, the inbox, and deliveries."""

"""The contracts between the services: event types with their payloads, and the broker's topology."""

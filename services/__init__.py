"""The three services: registry, dispatch and ack."""

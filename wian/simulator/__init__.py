"""The simulator: recipients that behave well and badly by name, for tests and for the developers of agencies' systems.

It stands apart from the services and imports little, so that it starts fast and costs little beside what is measured.
"""

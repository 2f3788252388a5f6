"""Conformance: plays the exchange towards an agency's endpoint, and says what the endpoint must mend."""

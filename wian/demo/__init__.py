"""The demo: a real provincial circular goes to its 99 addressees, played by simulated agencies."""

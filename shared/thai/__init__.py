"""Thai digits, dates, letter numbers and text: pure functions that read and write what official letters hold."""

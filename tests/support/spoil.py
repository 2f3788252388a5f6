"""Spoiling a credential so that it surely differs."""


def spoilt(credential: str) -> str:
    """The credential with one character changed; not the last, whose unused bits may leave a base64 value as it was."""
    place = len(credential) - 5
    return credential[:place] + ("A" if credential[place] != "A" else "B") + credential[place + 1 :]

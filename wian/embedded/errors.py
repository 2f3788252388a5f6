"""What can go wrong with an embedded server.

EmbeddedServerError
├── ServerUnavailable   this machine cannot provide it; the sentence says what to set instead
├── CommandFailed       a command that prepares it failed; carries the end of its output
└── ServerDidNotStart   it ended or never answered; carries the end of its log
"""

from collections.abc import Sequence
from pathlib import Path

TAIL_LINES = 20


class EmbeddedServerError(Exception):
    """The embedded servers cannot be used; the message is meant for the person at the terminal."""


class ServerUnavailable(EmbeddedServerError):
    """This machine lacks what the server is made from."""


class CommandFailed(EmbeddedServerError):
    """A command that prepares a server ended with an error."""

    def __init__(self, command: Sequence[str], status: int, output: str) -> None:
        super().__init__(f"{Path(command[0]).name} ended with status {status}:\n{tail(output)}")


class ServerDidNotStart(EmbeddedServerError):
    """A server was started and did not become ready."""

    def __init__(self, server: str, reason: str, log: Path) -> None:
        super().__init__(f"{server} did not start: {reason}. The end of {log}:\n{tail(log.read_text(errors='replace'))}")


def tail(text: str) -> str:
    return "\n".join(text.splitlines()[-TAIL_LINES:])

"""What the simulator has received: a bounded log."""

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

KEPT_REQUESTS: Final = 10_000
KEPT_BYTES: Final = 32 * 1024 * 1024


class Signature(StrEnum):
    """What the check of the signature found; without a secret there is none."""

    VALID = "valid"
    INVALID = "invalid"
    NOT_CHECKED = "not-checked"


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came; `path` is with the query."""

    recipient: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    signature: Signature
    at: float = field(default_factory=time.time)

    @property
    def webhook_id(self) -> str:
        """The delivery's id, the same on every retry; empty when there is none."""
        return self.headers.get("webhook-id", "")

    def as_json(self) -> dict[str, Any]:
        """For the control interface."""
        return {
            "recipient": self.recipient,
            "method": self.method,
            "path": self.path,
            "webhook_id": self.webhook_id,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": self.body.decode(errors="replace"),
            "signature": self.signature,
            "at": self.at,
        }


class ReceivedLog:
    """The newest requests, as many as fit the bounds; `total` counts all that ever came."""

    def __init__(self, *, requests: int = KEPT_REQUESTS, size: int = KEPT_BYTES) -> None:
        self._kept: deque[Received] = deque()
        self._requests = requests
        self._size = size
        self._bytes = 0
        self.total = 0

    def add(self, received: Received) -> None:
        """Keep `received`, and let go of the oldest that no longer fit."""
        self._kept.append(received)
        self._bytes += len(received.body)
        self.total += 1
        while len(self._kept) > self._requests or self._bytes > self._size:
            self._bytes -= len(self._kept.popleft().body)

    def clear(self) -> None:
        """Forget all, the total too."""
        self._kept.clear()
        self._bytes = self.total = 0

    def __iter__(self) -> Iterator[Received]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def select(self, *, recipient: str = "", webhook_id: str = "", limit: int = 1000) -> list[Received]:
        """The newest `limit` that match, oldest first."""
        found: Iterable[Received] = (
            received
            for received in self._kept
            if (not recipient or received.recipient == recipient) and (not webhook_id or received.webhook_id == webhook_id)
        )
        return list(deque(found, maxlen=limit))

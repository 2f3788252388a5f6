"""What the service's routes work with."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from services.ack.acknowledging import Recorder
from services.ack.config import AckSettings
from services.ack.evidence.pdf_seal import PdfSeal
from services.ack.evidence.sealing import EvidenceKeys
from services.ack.live import LivePages
from services.ack.pages.forms import FormSigner
from services.ack.sharing import Shared
from services.ack.tree import Branch
from shared.links import LinkSigner
from shared.postgres import Database


def utc_now() -> datetime:
    """The time as a service takes it; tests move it by giving another clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Resources:
    """Opened once per process, closed by `app.open_parts`."""

    settings: AckSettings
    database: Database
    links: LinkSigner
    forms: FormSigner
    live: LivePages
    recorder: Recorder
    evidence_keys: EvidenceKeys
    trees: Shared[tuple[list[Branch], bool]]
    # A long annex takes a core for seconds: a few at a time leave the other requests theirs.
    printing: asyncio.Semaphore
    # Each copy that is stamped has a process of its own, with up to a gibibyte.
    stamping: asyncio.Semaphore
    pdf_seal: PdfSeal | None = None
    now: Callable[[], datetime] = utc_now

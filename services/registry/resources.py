"""What the registry's routes work with."""

import asyncio
from dataclasses import dataclass, field

from services.registry.config import RegistrySettings
from services.registry.registration import Registrar
from services.registry.storage import FileStorage
from services.registry.tokens import Tokens
from services.registry.uploads import Uploads
from shared.links import LinkSigner
from shared.postgres import Database


@dataclass(frozen=True, slots=True)
class Resources:
    """Opened once per process, closed by `app.open_parts`."""

    settings: RegistrySettings
    database: Database
    storage: FileStorage
    uploads: Uploads
    tokens: Tokens
    registrar: Registrar
    signer: LinkSigner
    # A long book takes a core for seconds: one at a time leaves the other requests theirs.
    printing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

"""What the routes of dispatch work with."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from services.dispatch.config import DispatchSettings
from services.dispatch.dead_letters import Redriver
from services.dispatch.guard import GuardedResolver
from services.dispatch.store.transitions import Deliveries
from services.dispatch.transport import WebhookSender
from services.dispatch.vault import Vault
from shared.links import LinkSigner
from shared.postgres import Database


@dataclass(frozen=True, slots=True)
class Resources:
    """Opened once per process, closed by `app.open_resources`' stack; `resolvers` by URL scheme."""

    settings: DispatchSettings
    database: Database
    vault: Vault
    signer: LinkSigner
    resolvers: Mapping[str, GuardedResolver]
    deliveries: Deliveries
    webhooks: WebhookSender
    redriver: Redriver
    # Setting pages takes a core: one sheet at a time leaves the other requests theirs.
    printing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

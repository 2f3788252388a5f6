"""What the registry's routes work with."""

from dataclasses import dataclass

from services.registry.config import RegistrySettings
from services.registry.registration import Registrar
from services.registry.storage import AttachmentStorage
from services.registry.tokens import Tokens
from shared.links import LinkSigner
from shared.postgres import Database


@dataclass(frozen=True, slots=True)
class Resources:
    """Opened once per process, closed by `app.open_parts`."""

    settings: RegistrySettings
    database: Database
    storage: AttachmentStorage
    tokens: Tokens
    registrar: Registrar
    signer: LinkSigner

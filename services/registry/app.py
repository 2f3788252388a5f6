"""The registry wired together: what it opens, its application, its workers."""

import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from services.registry import problems
from services.registry.api import (
    agencies,
    agency_changes,
    agency_files,
    attachments,
    books,
    clients,
    intake,
    letters,
    lists,
    oauth,
    preflight,
    received,
    redirections,
    registers,
    reservations,
    templates,
    withdrawals,
)
from services.registry.collecting import FileCollector
from services.registry.config import RegistrySettings
from services.registry.consumers import event_handler
from services.registry.domain.kinds import requirements
from services.registry.importing import AgencyImporter, ImportPruner
from services.registry.registration import Registrar
from services.registry.resources import Resources
from services.registry.scanning import ClamdScanner
from services.registry.storage import open_storage
from services.registry.tokens import Tokens
from services.registry.uploads import Uploads
from shared.access import TokenVerifier
from shared.broker import Consumer, Publisher
from shared.contracts.topology import REGISTRY_EVENTS
from shared.inbox import Pruner
from shared.links import LinkSigner
from shared.outbox import Relay
from shared.postgres import Database, ForeignKeyViolation, open_database
from shared.problems import ProblemError
from shared.service import Parts, Service
from shared.web import DatabaseProbe, problem_response
from shared.web import create_app as create_web_app

# Routes that need no token: the way to one, the keys that check it, and links that are credentials themselves.
PUBLIC_ROUTES: Final = ("/oauth/token", "/.well-known/jwks.json", "/f/{link}")

# In the order in which they are tried: first what is called most, and every route that is tried costs a little.
_ROUTERS: Final = (
    letters.router,
    oauth.router,
    clients.router,
    # Before the agencies themselves: /v1/agencies/export is not an agency.
    agency_files.router,
    agencies.router,
    agency_changes.router,
    lists.router,
    registers.router,
    reservations.router,
    templates.router,
    intake.router,
    preflight.router,
    withdrawals.router,
    redirections.router,
    attachments.router,
    books.router,
    received.router,
)


# Uploads are streamed to where they are kept, and bounded on the way.
STREAMED_UPLOAD: Final = re.compile(r"^/v1/(letters/[^/]+/attachments|agencies/imports)$")


def create_app(resources: Resources) -> FastAPI:
    """The application; it checks tokens by the keys in its own database."""
    settings = resources.settings
    verifier = TokenVerifier(resources.tokens.key_set, issuer=settings.token_issuer, audience=settings.token_audience)
    app = create_web_app(
        "Wian registry", verifier=verifier, body_limit=settings.registry_request_max_bytes, streamed=STREAMED_UPLOAD
    )
    app.state.resources = resources
    app.add_exception_handler(ForeignKeyViolation, _on_unknown_owner)
    for router in _ROUTERS:
        app.include_router(router)
    return app


async def _on_unknown_owner(_request: Request, error: Exception) -> JSONResponse:
    # Only the caller's own agency is not looked up before it is referred to: a token of an outside issuer may name any.
    if getattr(error, "constraint_name", None) not in {
        "lists_owner",
        "registers_owner",
        "letters_owner",
        "letter_templates_owner",
    }:
        raise error
    return problem_response(ProblemError(problems.AGENCY_UNKNOWN, "the token's agency is not in the registry"))


@asynccontextmanager
async def open_parts(settings: RegistrySettings) -> AsyncGenerator[Parts]:
    """The opened registry, closed when the block ends."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            open_database(settings.postgres_dsn.get_secret_value(), service="registry", pool_size=settings.postgres_pool_size)
        )
        tokens = _tokens(database, settings)
        await tokens.open_key()
        storage = open_storage(settings.registry_storage_url)
        resources = Resources(
            settings=settings,
            database=database,
            storage=storage,
            uploads=Uploads(database, storage, _scanner(settings), settings),
            tokens=tokens,
            registrar=Registrar(database, requirements(settings.registry_required_fields)),
            signer=LinkSigner(settings.link_key.get_secret_value()),
        )
        publisher = Publisher(settings.amqp_url.get_secret_value(), settings.broker_namespace, timeout=settings.publish_timeout)
        stack.push_async_callback(publisher.close)
        relay = Relay(
            database,
            publisher,
            service="registry",
            batch_size=settings.outbox_batch_size,
            lease=settings.outbox_lease,
            poll_interval=settings.outbox_poll_interval,
        )
        importer = AgencyImporter(database, settings)
        consumer = Consumer(
            settings.amqp_url.get_secret_value(),
            settings.broker_namespace,
            REGISTRY_EVENTS,
            event_handler(database),
            prefetch=settings.registry_prefetch,
        )
        probe = DatabaseProbe(database)
        yield Parts(
            app=create_app(resources),
            workers=(
                relay,
                consumer,
                importer,
                FileCollector(database, storage),
                Pruner(database),
                ImportPruner(database, settings.registry_import_kept_days),
            ),
            api_probes=(probe,),
            worker_probes=(probe, publisher, consumer),
        )


def _scanner(settings: RegistrySettings) -> ClamdScanner | None:
    if settings.registry_clamd_url is None:
        return None
    return ClamdScanner(settings.registry_clamd_url, settings.registry_clamd_timeout)


def _tokens(database: Database, settings: RegistrySettings) -> Tokens:
    return Tokens(
        database,
        encryption_key=settings.registry_key_encryption_key.get_secret_value(),
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        lifetime=settings.registry_token_lifetime,
    )


SERVICE: Final = Service(
    name="registry", settings=RegistrySettings, migrations=Path(__file__).parent / "migrations", open=open_parts
)

"""Wires the acknowledgment service together."""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from fastapi import FastAPI

from services.ack.acknowledging import Recorder, under_way
from services.ack.api import (
    acknowledgments,
    annex,
    assets,
    calendars,
    circulars,
    corrections,
    entrance,
    evidence,
    links,
    overview,
    pages,
    stamp,
    tracking,
    tree,
)
from services.ack.config import AckSettings
from services.ack.consumers import event_handler
from services.ack.evidence.checkpoints import Checkpointer
from services.ack.evidence.pdf_seal import PdfSeal
from services.ack.evidence.sealing import EvidenceKeys, Sealer
from services.ack.evidence.time_stamping import TimeStampAuthority
from services.ack.live import LivePages
from services.ack.pages.forms import FormSigner
from services.ack.reminding import Sweeper
from services.ack.rescheduling import Rescheduler
from services.ack.resources import Resources, utc_now
from services.ack.sharing import Shared
from services.ack.store import circulars as circulars_of
from services.ack.store import tree as tree_store
from services.ack.tracking import document, read_tracking
from services.ack.tree import Branch
from shared import postgres, web
from shared.access import TokenVerifier, keys_from_url
from shared.broker import Consumer, Publisher
from shared.contracts.topology import ACK_EVENTS
from shared.inbox import Pruner
from shared.links import LinkSigner
from shared.outbox import Relay
from shared.service import Parts, Service

NAME: Final = "ack"

# Routes without a token: their link or code is the credential, or they hold nothing but style.
PUBLIC_ROUTES: Final = (
    "/v1/acknowledgments/{link}",
    "/v1/acknowledgments/{link}/corrections",
    "/v1/acknowledgments/{link}/withdrawals",
    "/a",
    "/a/{link}",
    "/t/{link}",
    "/t/{link}/state",
    "/t/{link}/live",
    "/t/{link}/tree",
    "/t/{link}/annex.{form}",
    "/t/{link}/annex.{form}/signed",
    "/assets/{name}",
    # Public keys, and checkpoints that everybody may keep: whoever checks a receipt needs no account.
    "/v1/evidence/jwks.json",
    "/v1/evidence/checkpoints",
    "/v1/evidence/checkpoints/{sequence}/time-stamp",
)


# Seconds for which a tree that was counted is shown to whoever else looks at it; `track.js` knows it too.
TREE_KEPT: Final = 2.0

# Thousands of acknowledgments come in one body.
LARGER: Final = {"/v1/acknowledgments": 16 * 1024 * 1024}


# An agency's own copy is read by its route, which bounds it.
STREAMED: Final = re.compile(r"/v1/recipients/[^/]+/stamped-copy\Z")
COPIES_AT_ONCE: Final = 2


def create_app(resources: Resources, verifier: TokenVerifier) -> FastAPI:
    """The application on opened resources."""
    app = web.create_app("Wian: acknowledgments", verifier=verifier, larger=LARGER, streamed=STREAMED)
    app.state.resources = resources
    for module in (
        acknowledgments,
        corrections,
        overview,
        circulars,
        calendars,
        tree,
        annex,
        stamp,
        evidence,
        entrance,
        links,
        pages,
        tracking,
        assets,
    ):
        app.include_router(module.router)
    return app


def resources_of(settings: AckSettings, database: postgres.Database) -> Resources:
    """What the routes work with, on an open database."""
    key = settings.link_key.get_secret_value()
    forms = FormSigner(key, max_age=settings.ack_form_hours * 3600)
    evidence_keys = EvidenceKeys(settings.ack_key_encryption_key.get_secret_value(), utc_now)
    live = _live_pages(settings, database)
    return Resources(
        settings,
        database,
        LinkSigner(key),
        forms,
        live,
        Recorder(database),
        evidence_keys,
        Shared(lambda circular_id: _branches(settings, database, circular_id), TREE_KEPT),
        printing=asyncio.Semaphore(settings.ack_annexes_at_once),
        stamping=asyncio.Semaphore(COPIES_AT_ONCE),
        pdf_seal=_pdf_seal(settings),
    )


def _pdf_seal(settings: AckSettings) -> PdfSeal | None:
    if settings.ack_seal_certificate is None:
        return None
    password = settings.ack_seal_key_password
    secret = None if password is None else password.get_secret_value()
    return PdfSeal.from_files(settings.ack_seal_certificate, settings.ack_seal_key, secret, _authority(settings))


def _authority(settings: AckSettings) -> TimeStampAuthority | None:
    return None if settings.ack_tsa_url is None else TimeStampAuthority(str(settings.ack_tsa_url), settings.ack_tsa_timeout)


async def _branches(settings: AckSettings, database: postgres.Database, circular_id: UUID) -> tuple[list[Branch], bool]:
    async with database.connection() as connection:
        return await tree_store.branches(connection, circular_id, settings.tree_bounds)


def _live_pages(settings: AckSettings, database: postgres.Database) -> LivePages:
    async def load(circular_id: UUID, after: int) -> Mapping[str, Any]:
        async with database.connection() as connection:
            circular = await circulars_of.get(connection, circular_id)
        if circular is None:
            raise under_way()
        return document(await read_tracking(database, settings.ack_tracking_rows, circular, after, utc_now()))

    return LivePages(load, settings.ack_live_pages)


@asynccontextmanager
async def open_parts(settings: AckSettings) -> AsyncGenerator[Parts]:
    """Open everything that the service needs, and close it again."""
    async with AsyncExitStack() as stack:
        amqp_url = settings.amqp_url.get_secret_value()
        database = await stack.enter_async_context(
            postgres.open_database(settings.postgres_dsn.get_secret_value(), service=NAME, pool_size=settings.postgres_pool_size)
        )
        publisher = Publisher(amqp_url, settings.broker_namespace, timeout=settings.publish_timeout)
        stack.push_async_callback(publisher.close)
        consumer = Consumer(
            amqp_url,
            settings.broker_namespace,
            ACK_EVENTS,
            event_handler(database, settings.link_key.get_secret_value(), settings.deadline_rules),
            prefetch=settings.ack_prefetch,
        )
        relay = Relay(
            database,
            publisher,
            service=NAME,
            batch_size=settings.outbox_batch_size,
            lease=settings.outbox_lease,
            poll_interval=settings.outbox_poll_interval,
        )
        verifier = TokenVerifier(
            keys_from_url(settings.key_set_url), issuer=settings.token_issuer, audience=settings.token_audience
        )
        probe = web.DatabaseProbe(database)
        resources = resources_of(settings, database)
        sealer = Sealer(database, resources.evidence_keys, utc_now, settings.ack_seal_poll_interval)
        checkpointer = Checkpointer(
            database,
            resources.evidence_keys,
            utc_now,
            every=timedelta(minutes=settings.ack_checkpoint_minutes),
            authority=_authority(settings),
        )
        sweeper = Sweeper(database, utc_now, settings.ack_reminder_poll_interval)
        rescheduler = Rescheduler(database, utc_now, settings.deadline_rules, settings.ack_reminder_poll_interval)
        yield Parts(
            app=create_app(resources, verifier),
            workers=(consumer, relay, sweeper, rescheduler, sealer, checkpointer, Pruner(database)),
            api_probes=(probe,),
            worker_probes=(probe, publisher, consumer),
        )


SERVICE: Final = Service(NAME, AckSettings, Path(__file__).parent / "migrations", open_parts)

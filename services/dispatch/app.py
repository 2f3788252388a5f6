"""Wiring of dispatch: what it opens, its application, its workers and probes."""

import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx
from fastapi import FastAPI

from services.dispatch.api import (
    dead_letters,
    deliveries,
    endpoint_health,
    endpoint_limits,
    endpoints,
    events,
    inbox,
    inbox_leases,
    mail_settings,
    operator_limits,
    paper,
    redispatch,
    repair,
    resends,
    subscription,
)
from services.dispatch.arrivals import Arrivals
from services.dispatch.attachments import AttachmentReader
from services.dispatch.bounce_listener import BounceListener, BounceRecorder, ListenerLimits
from services.dispatch.breaker import BreakerPolicy
from services.dispatch.config import LEASE_MARGIN, DispatchSettings
from services.dispatch.consumers import Consumers
from services.dispatch.dead_letters import Keeper, Redriver
from services.dispatch.delivery.record import Recorder
from services.dispatch.delivery.send import Sender
from services.dispatch.delivery.slots import Slots
from services.dispatch.flow import Limits
from services.dispatch.guard import Guard, GuardedResolver
from services.dispatch.in_hand import RequestPace
from services.dispatch.mail import Identity, MailSender
from services.dispatch.mail_limits import DomainLimits, Domains
from services.dispatch.mail_notifier import MailNotifier, MailPace
from services.dispatch.mail_pool import MailPool, MailServer
from services.dispatch.notifier import Notifier
from services.dispatch.observer import Observer
from services.dispatch.resender import Resender
from services.dispatch.resources import Resources
from services.dispatch.scheduler import Pace, Scheduler
from services.dispatch.sequencer import FeedPruner, Sequencer
from services.dispatch.store.transitions import Deliveries
from services.dispatch.transport import open_webhooks
from services.dispatch.vault import Vault
from services.dispatch.worker import BatchHandler, LaneWorker
from shared import web
from shared.access import TokenVerifier, keys_from_url
from shared.broker import Consumer, Handler, Publisher
from shared.contracts.events import Channel
from shared.contracts.topology import DEAD_LETTERS, DISPATCH_EVENTS, Lane, lane_queue
from shared.inbox import Pruner
from shared.links import LinkSigner
from shared.outbox import Relay
from shared.postgres import Database, open_database
from shared.runtime import Probe, Worker
from shared.service import Parts, Service
from shared.web import DatabaseProbe

EVENTS_PREFETCH: Final = 8
DEAD_LETTERS_PREFETCH: Final = 8
ATTACHMENT_TIMEOUT: Final = 20.0
# Workers renew after a third of the lease; the rest is for one that comes late.
RENEWAL_SHARE: Final = 0.5

# Every route asks for a token.
PUBLIC_ROUTES: Final[frozenset[str]] = frozenset()


def create_app(resources: Resources, verifier: TokenVerifier) -> FastAPI:
    """The application over opened resources."""
    app = web.create_app("Wian dispatch", verifier=verifier)
    app.state.resources = resources
    app.state.arrivals = Arrivals(resources.database, interval=resources.settings.dispatch_pull_interval)
    for router in (
        endpoints.router,
        endpoint_health.router,
        endpoint_limits.router,
        resends.router,
        mail_settings.router,
        inbox_leases.router,
        inbox.router,
        deliveries.router,
        redispatch.router,
        paper.router,
        subscription.router,
        events.router,
        repair.router,
        dead_letters.router,
        operator_limits.router,
    ):
        app.include_router(router)
    return app


@dataclass(frozen=True, slots=True)
class Engine:
    """What moves deliveries."""

    scheduler: Scheduler
    handlers: dict[tuple[Lane, Channel], BatchHandler]
    consumers: Consumers
    notifier: Notifier
    mail_notifier: MailNotifier
    resender: Resender


@asynccontextmanager
async def open_parts(settings: DispatchSettings) -> AsyncGenerator[Parts]:
    """Open everything that dispatch needs in this process, and close it in reverse order."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            open_database(settings.postgres_dsn.get_secret_value(), service="dispatch", pool_size=settings.postgres_pool_size)
        )
        resources = await open_resources(stack, settings, database)
        verifier = TokenVerifier(
            keys_from_url(settings.key_set_url), issuer=settings.token_issuer, audience=settings.token_audience
        )
        relay_publisher, lane_publisher = _publisher(stack, settings), _publisher(stack, settings)
        engine = await open_engine(stack, settings, resources, lane_publisher)
        relay = Relay(
            database,
            relay_publisher,
            service="dispatch",
            batch_size=settings.outbox_batch_size,
            lease=settings.outbox_lease,
            poll_interval=settings.outbox_poll_interval,
        )
        events = _consumer(settings, DISPATCH_EVENTS, engine.consumers.handler(database), EVENTS_PREFETCH)
        keeper = _consumer(settings, DEAD_LETTERS, Keeper(database), DEAD_LETTERS_PREFETCH)
        lanes = {
            key: _consumer(settings, lane_queue(*key), handler, settings.dispatch_prefetch)
            for key, handler in engine.handlers.items()
        }
        observer = Observer(database, interval=settings.dispatch_observe_interval)
        lane_workers = [LaneWorker(consumer, engine.handlers[key]) for key, consumer in lanes.items()]
        workers: list[Worker] = [relay, engine.scheduler, events, keeper, *lane_workers, observer, Pruner(database)]
        workers += [engine.notifier, engine.mail_notifier, engine.resender]
        workers += [Sequencer(database, poll_interval=settings.dispatch_poll_interval), FeedPruner(database)]
        listener = bounce_listener(settings, resources)
        workers += [] if listener is None else [listener]
        probe = DatabaseProbe(database, "dispatch database")
        worker_probes: list[Probe] = [probe, relay_publisher, events, keeper, *lanes.values()]
        yield Parts(create_app(resources, verifier), tuple(workers), (probe,), tuple(worker_probes))


async def open_resources(stack: AsyncExitStack, settings: DispatchSettings, database: Database) -> Resources:
    """What routes and workers share; connections to endpoints are opened on first use."""
    allowed = settings.dispatch_allow_networks
    resolvers = {"https": GuardedResolver(Guard(allowed)), "http": GuardedResolver(Guard(allowed, public=False))}
    for resolver in resolvers.values():
        stack.push_async_callback(resolver.close)
    vault = Vault(settings.secret_keys)
    webhooks = await stack.enter_async_context(open_webhooks(settings, vault))
    return Resources(
        settings=settings,
        database=database,
        vault=vault,
        signer=LinkSigner(settings.link_key.get_secret_value()),
        resolvers=resolvers,
        deliveries=Deliveries(email_secret_letters=settings.dispatch_email_secret_letters),
        webhooks=webhooks,
        redriver=Redriver(database, _publisher(stack, settings)),
    )


async def open_engine(stack: AsyncExitStack, settings: DispatchSettings, resources: Resources, publisher: Publisher) -> Engine:
    """The scheduler, the lanes' handlers and the events' consumers."""
    policy = settings.policy
    database, found = resources.database, resources.deliveries
    breaker_policy = BreakerPolicy(
        threshold=settings.dispatch_breaker_failures,
        first_pause=settings.dispatch_breaker_pause,
        longest_pause=settings.dispatch_breaker_longest_pause,
    )
    recorder = Recorder(database, found, policy, breaker_policy)
    pace = Pace(
        window=settings.dispatch_window,
        batch_size=settings.dispatch_batch_size,
        publish_lease=timedelta(seconds=settings.publish_timeout + LEASE_MARGIN),
        queue_lease=timedelta(seconds=settings.dispatch_queue_lease),
        renewal=timedelta(seconds=settings.dispatch_lease * RENEWAL_SHARE),
        poll_interval=settings.dispatch_poll_interval,
        limits=Limits(settings.dispatch_agency_in_flight, settings.dispatch_agency_per_second),
    )

    def handler(sender: Sender) -> BatchHandler:
        return BatchHandler(
            database,
            sender,
            recorder,
            lease=timedelta(seconds=settings.dispatch_lease),
            email_secret_letters=settings.dispatch_email_secret_letters,
        )

    webhooks = resources.webhooks
    notifier_pace = RequestPace(
        quick=settings.dispatch_notice_concurrency,
        slow=settings.dispatch_notice_slow_concurrency,
        lease=timedelta(seconds=settings.dispatch_lease),
        schedule=settings.dispatch_notice_schedule,
        limits=pace.limits,
        poll_interval=settings.dispatch_poll_interval,
    )
    resender_pace = RequestPace(
        quick=settings.dispatch_resend_concurrency,
        slow=settings.dispatch_resend_slow_concurrency,
        lease=timedelta(seconds=settings.dispatch_lease),
        schedule=policy.lanes[Lane.BULK].schedule,
        limits=pace.limits,
        poll_interval=settings.dispatch_poll_interval,
    )
    mail_lanes, mail_notifier = await _open_mail(stack, settings, resources)

    def webhook_lane() -> Sender:
        return webhooks.lane(Slots(settings.dispatch_concurrency, settings.dispatch_slow_concurrency))

    return Engine(
        scheduler=Scheduler(database, publisher, found, policy, pace),
        handlers={(lane, Channel.WEBHOOK): handler(webhook_lane()) for lane in Lane}
        | {(lane, Channel.EMAIL): handler(mail) for lane, mail in mail_lanes.items()},
        consumers=Consumers(
            resources.signer,
            found,
            policy,
            email_secret_letters=settings.dispatch_email_secret_letters,
            mail_kinds=settings.mail_kinds,
        ),
        notifier=Notifier(
            database,
            webhooks,
            events.show,
            pace=notifier_pace,
            public_url=settings.public_url,
        ),
        mail_notifier=mail_notifier,
        resender=Resender(database, webhooks, breaker_policy, resender_pace),
    )


async def _open_mail(
    stack: AsyncExitStack, settings: DispatchSettings, resources: Resources
) -> tuple[dict[Lane, MailSender], MailNotifier]:
    """The lanes' senders, and that of mails beside letters: connections of their own, so that a long list takes none from an
    urgent letter; domains in common.
    """
    http = await stack.enter_async_context(httpx.AsyncClient(timeout=ATTACHMENT_TIMEOUT))
    reader = AttachmentReader(
        http, resources.signer, settings.dispatch_internal_url or settings.public_url, settings.dispatch_email_attach_limit
    )
    password = settings.dispatch_smtp_password
    server = MailServer(
        host=settings.dispatch_smtp_host,
        port=settings.dispatch_smtp_port,
        tls=settings.dispatch_smtp_tls,
        username=settings.dispatch_smtp_username,
        password=None if password is None else password.get_secret_value(),
        timeout=settings.dispatch_smtp_timeout,
    )
    identity = Identity(settings.dispatch_mail_from, settings.public_url, settings.dkim_signer, settings.return_paths)
    limits = DomainLimits(settings.dispatch_mail_domain_in_flight, settings.dispatch_mail_domain_per_minute)
    domains = Domains(limits, clock=time.monotonic)

    def pool() -> MailPool:
        opened = MailPool(server, idle=settings.dispatch_smtp_idle)
        stack.push_async_callback(opened.close)
        return opened

    def lane_sender() -> MailSender:
        return MailSender(pool(), settings.dispatch_smtp_connections, identity=identity, reader=reader, domains=domains)

    pace = MailPace(
        concurrency=settings.dispatch_mail_notice_concurrency,
        lease=timedelta(seconds=settings.dispatch_lease),
        schedule=settings.policy.lanes[Lane.NORMAL].schedule,
        poll_interval=settings.dispatch_poll_interval,
        switched_on=settings.mail_kinds,
        email_secret_letters=settings.dispatch_email_secret_letters,
    )
    notifier = MailNotifier(resources.database, pool(), identity, domains, pace)
    return {lane: lane_sender() for lane in Lane}, notifier


def bounce_listener(settings: DispatchSettings, resources: Resources) -> BounceListener | None:
    """What takes the mails that come back; None when nobody is to listen."""
    paths, port = settings.return_paths, settings.dispatch_bounce_port
    if paths is None or port is None:
        return None
    return BounceListener(
        BounceRecorder(resources.database, resources.deliveries, settings.policy),
        paths,
        host=settings.dispatch_bounce_host,
        port=port,
        limits=ListenerLimits(
            settings.dispatch_bounce_max_bytes, settings.dispatch_bounce_connections, settings.dispatch_bounce_timeout
        ),
    )


def _publisher(stack: AsyncExitStack, settings: DispatchSettings) -> Publisher:
    publisher = Publisher(settings.amqp_url.get_secret_value(), settings.broker_namespace, timeout=settings.publish_timeout)
    stack.push_async_callback(publisher.close)
    return publisher


def _consumer(settings: DispatchSettings, queue: str, handler: Handler, prefetch: int) -> Consumer:
    return Consumer(settings.amqp_url.get_secret_value(), settings.broker_namespace, queue, handler, prefetch=prefetch)


SERVICE: Final = Service("dispatch", DispatchSettings, Path(__file__).parent / "migrations", open_parts)

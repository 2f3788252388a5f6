"""The acknowledgment service as it runs: events come over RabbitMQ, answers go out over RabbitMQ."""

import asyncio
from typing import Any

import httpx

from services.ack.app import open_parts
from services.ack.config import AckSettings
from shared.broker import Consumer, Incoming, Outgoing, Publisher, Verdict
from shared.contracts.events import RecipientRegistered
from shared.contracts.topology import DISPATCH_EVENTS, Exchange
from shared.links import LinkSigner, Purpose
from shared.runtime import run_workers
from shared.web import add_health_routes
from tests.support.ack import REGISTERED, circular, handed_over, message_of
from tests.support.eventually import eventually


async def test_an_acknowledgment_goes_from_the_broker_to_the_broker(settings_environment: dict[str, str]) -> None:
    values: dict[str, Any] = {**settings_environment, "ack_key_encryption_key": "a" * 43}
    settings = AckSettings(**values)
    amqp_url = settings.amqp_url.get_secret_value()
    told: list[bytes] = []

    async def note(message: Incoming) -> Verdict:
        if message.routing_key == RecipientRegistered.TYPE:
            told.append(message.body)
        return Verdict.DONE

    stop = asyncio.Event()
    async with open_parts(settings) as parts:
        add_health_routes(parts.app, [*parts.api_probes, *parts.worker_probes])
        dispatch = Consumer(amqp_url, settings.broker_namespace, DISPATCH_EVENTS, note, prefetch=10)
        running = asyncio.create_task(run_workers([*parts.workers, dispatch], stop, grace=5))
        try:
            await _round_trip(settings, parts.app, told)
        finally:
            stop.set()
            await running


async def _round_trip(settings: AckSettings, app: Any, told: list[bytes]) -> None:
    sent = circular(1)
    (recipient,) = sent.recipients
    link = LinkSigner(settings.link_key.get_secret_value()).sign(Purpose.ACKNOWLEDGE, recipient.recipient_id)
    today = {**REGISTERED, "receive_date": str(sent.letter.date)}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://wian.test") as http:
        await eventually(lambda: http.get("/readyz"), lambda answer: answer.status_code == 200)
        publisher = Publisher(settings.amqp_url.get_secret_value(), settings.broker_namespace, timeout=5)
        messages = [message_of(handed_over(sent, recipient)), message_of(sent.chunks()[0])]
        outgoing = [Outgoing(Exchange.EVENTS, m.routing_key, m.message_id, m.body) for m in [*messages, *messages]]
        assert await publisher.publish(outgoing) == [None] * 4
        await publisher.close()
        answer = await eventually(
            lambda: http.post(f"/v1/acknowledgments/{link}", json=today), lambda answer: answer.status_code != 503
        )
        assert answer.status_code == 200, answer.text
    await eventually(lambda: asyncio.sleep(0, len(told)), lambda count: count == 1)
    assert str(recipient.recipient_id).encode() in told[0]

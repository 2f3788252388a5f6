"""Asking an endpoint to prove itself: first the CloudEvents handshake, and when that is not answered a signed challenge."""

import asyncio
import secrets
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from services.dispatch.delivery.jobs import Endpoint
from services.dispatch.outcomes import Refused, RetryLater
from services.dispatch.payload import CHALLENGE_TYPE, endpoint_event
from services.dispatch.proof import REQUEST_ORIGIN, Proven, Unproven, allowed_rate, by_challenge, by_handshake
from services.dispatch.transport import Answer, WebhookSender

# For each of the two questions: somebody waits for the answer.
PATIENCE: Final = 6.0


async def ask(sender: WebhookSender, agency_id: UUID, endpoint: Endpoint, public_url: str) -> Proven | Unproven:
    """Ask once; takes at most twice `PATIENCE`."""
    origin = urlsplit(public_url).hostname or ""
    try:
        async with asyncio.timeout(PATIENCE):
            options = await sender.ask_options(endpoint.url, {REQUEST_ORIGIN: origin})
    except TimeoutError:
        options = RetryLater("timeout")
    if isinstance(options, Refused):
        # We would not send there, whatever it answers.
        return Unproven(options.reason, answer=options.answer)
    if isinstance(options, Answer) and by_handshake(options.headers, options.status, origin):
        return Proven("handshake", allowed_rate(options.headers))
    challenge = secrets.token_urlsafe(32)
    event = endpoint_event(CHALLENGE_TYPE, agency_id, {"challenge": challenge}, public_url, datetime.now(UTC))
    try:
        async with asyncio.timeout(PATIENCE):
            outcome, answer = await sender.post_event(endpoint, event)
    except TimeoutError:
        outcome, answer = RetryLater("timeout"), b""
    return by_challenge(outcome, answer, challenge)

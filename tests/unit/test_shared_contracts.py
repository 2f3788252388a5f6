"""Messages from before a field was told are still read, and what was stored of them is sent on as it came."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
import pytest

from services.dispatch.delivery.jobs import Address, CircularContent
from services.dispatch.payload import WebhookBodies
from shared.contracts.envelope import Envelope, envelope
from shared.contracts.events import CircularDispatched, LetterSummary, Role
from tests.support.dispatch import circular_dispatched

LATER = ("kind", "form", "urgent_within", "references", "enclosures", "copy_to")


@pytest.fixture
def old() -> dict[str, Any]:
    """A message without any of the fields that were added to the letter and to the recipients."""
    message = circular_dispatched([uuid4()]).model_dump(mode="json")
    for name in LATER:
        message["letter"].pop(name)
    for name in ("role", "relay_target", "in_place_of"):
        message["recipients"][0].pop(name)
    return message


def test_an_old_message_is_read_and_means_action_and_nothing_cited(old: dict[str, Any]) -> None:
    read = CircularDispatched.model_validate(old)
    assert (read.letter.kind, read.letter.urgent_within) == (None, None)
    assert (read.letter.references, read.letter.enclosures, read.letter.copy_to) == ((), (), ())
    (recipient,) = read.recipients
    assert (recipient.role, recipient.relay_target, recipient.in_place_of) == (Role.ACTION, None, None)


def test_a_letter_stored_before_a_field_was_told_is_sent_again_with_the_same_bytes(old: dict[str, Any]) -> None:
    letter = LetterSummary.model_validate(old["letter"])
    circular = CircularContent(uuid4(), uuid4(), "ก", "a", letter, datetime(2026, 11, 23, tzinfo=UTC), None, None)
    address = Address(uuid4(), uuid4(), uuid4(), "นายอำเภอ", 1, relay_duty=False, acknowledgment_link="x")
    data = json.loads(WebhookBodies(circular, "http://wian.test").body(address))["data"]
    assert data["letter"] == old["letter"]
    assert "role" not in data


def test_what_is_written_to_the_outbox_is_read_as_an_envelope() -> None:
    message_id, at = uuid4(), datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
    members = envelope("ack", "wian.something.v1", message_id, at, "00-trace", orjson.Fragment('{"said": "ลงรับ"}'))
    read = Envelope.model_validate_json(orjson.dumps(members))
    assert read == Envelope(
        id=message_id, source="wian/ack", type="wian.something.v1", time=at, traceparent="00-trace", data={"said": "ลงรับ"}
    )
    untraced = envelope("ack", "wian.something.v1", message_id, at, None, None)
    assert set(untraced) == set(read.model_dump(exclude={"traceparent"}))

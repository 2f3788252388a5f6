"""What a recipient gets: the webhook's body, and the same content for the inbox."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

from services.dispatch.delivery.jobs import Address, CircularContent
from shared.ids import new_id

EVENT_TYPE: Final = "wian.letter.delivered.v1"
CHALLENGE_TYPE: Final = "wian.endpoint.challenge.v1"
TEST_TYPE: Final = "wian.endpoint.test.v1"
CONTENT_TYPE: Final = "application/cloudevents+json"
BATCH_CONTENT_TYPE: Final = "application/cloudevents-batch+json"


def acknowledgment_url(public_url: str, link: str) -> str:
    """Where a machine acknowledges: POST, the link is the credential."""
    return f"{public_url}/v1/acknowledgments/{link}"


def acknowledgment_page(public_url: str, link: str) -> str:
    """Where a person acknowledges."""
    return f"{public_url}/a/{link}"


def acknowledgment_entrance(public_url: str) -> str:
    """Where a person types the code from paper."""
    return f"{public_url}/a"


def file_url(public_url: str, link: str) -> str:
    """Where an attachment is read; the link is the credential."""
    return f"{public_url}/f/{link}"


def _own(address: Address, public_url: str) -> dict[str, object]:
    own: dict[str, object] = {
        "delivery_id": str(address.delivery_id),
        "recipient_id": str(address.recipient_id),
        "addressee": {"title": address.title, "position": address.position},
        "relay_duty": address.relay_duty,
        "acknowledgment_url": acknowledgment_url(public_url, address.acknowledgment_link),
    }
    return own if address.role is None else {**own, "role": address.role.value}


def _common(circular: CircularContent) -> dict[str, object]:
    return {
        "circular_id": str(circular.circular_id),
        "sender": {
            "agency_id": str(circular.sender_agency_id),
            "name_th": circular.sender_name_th,
            "name_en": circular.sender_name_en,
        },
        # A letter that came before a field was told is sent again without it: every retry has the bytes of the first attempt.
        "letter": circular.letter.model_dump(mode="json", exclude_unset=True),
        "deadline": None if circular.deadline is None else circular.deadline.isoformat(),
    }


@dataclass(frozen=True, slots=True)
class EndpointEvent:
    """What is sent to an endpoint beside letters: an event about itself, or events of the feed."""

    message_id: str
    body: bytes
    content_type: str = CONTENT_TYPE


def endpoint_event(kind: str, agency_id: UUID, data: dict[str, str], public_url: str, now: datetime) -> EndpointEvent:
    """A test or a challenge: CloudEvents 1.0 in structured JSON, like a letter."""
    message_id = str(new_id())
    event = {
        "specversion": "1.0",
        "source": public_url,
        "type": kind,
        "subject": str(agency_id),
        "time": now.isoformat(),
        "datacontenttype": "application/json",
        "id": message_id,
        "data": data,
    }
    return EndpointEvent(message_id, orjson.dumps(event))


class WebhookBodies:
    """Webhook bodies of one circular: what all recipients share is written as JSON once."""

    def __init__(self, circular: CircularContent, public_url: str) -> None:
        self._public_url = public_url
        head = {
            "specversion": "1.0",
            "source": public_url,
            "type": EVENT_TYPE,
            "subject": str(circular.circular_id),
            "time": circular.dispatched_at.isoformat(),
            "datacontenttype": "application/json",
        }
        self._head = orjson.dumps(head)[:-1]
        self._common = orjson.dumps(_common(circular))[1:]

    def body(self, address: Address) -> bytes:
        """CloudEvents 1.0 in structured JSON: made of stored values alone, so the same bytes at every retry."""
        own = orjson.dumps(_own(address, self._public_url))[:-1]
        return b'%b,"id":"%b","data":%b,%b}' % (self._head, str(address.delivery_id).encode(), own, self._common)

"""What a recipient gets: the webhook's body, and the same content for the inbox."""

import json
from typing import Final

from services.dispatch.delivery.jobs import Address, CircularContent

EVENT_TYPE: Final = "wian.letter.delivered.v1"
CONTENT_TYPE: Final = "application/cloudevents+json"


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


def letter_data(address: Address, circular: CircularContent, public_url: str) -> dict[str, object]:
    """The letter as one recipient is told of it."""
    return {
        "delivery_id": str(address.delivery_id),
        "recipient_id": str(address.recipient_id),
        "circular_id": str(circular.circular_id),
        "addressee": {"title": address.title, "position": address.position},
        "sender": {
            "agency_id": str(circular.sender_agency_id),
            "name_th": circular.sender_name_th,
            "name_en": circular.sender_name_en,
        },
        "letter": circular.letter.model_dump(mode="json"),
        "deadline": None if circular.deadline is None else circular.deadline.isoformat(),
        "relay_duty": address.relay_duty,
        "acknowledgment_url": acknowledgment_url(public_url, address.acknowledgment_link),
    }


def webhook_body(address: Address, circular: CircularContent, public_url: str) -> bytes:
    """CloudEvents 1.0 in structured JSON: made of stored values alone, so the same bytes at every retry."""
    event = {
        "specversion": "1.0",
        "id": str(address.delivery_id),
        "source": public_url,
        "type": EVENT_TYPE,
        "subject": str(circular.circular_id),
        "time": circular.dispatched_at.isoformat(),
        "datacontenttype": "application/json",
        "data": letter_data(address, circular, public_url),
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()

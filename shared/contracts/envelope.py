"""The envelope of every message on the broker: CloudEvents 1.0 in structured JSON mode."""

from datetime import UTC, datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from shared.ids import new_id


class Event(BaseModel):
    """Payload of one event type. `TYPE` is versioned and in the past tense."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    TYPE: ClassVar[str]


class Envelope(BaseModel):
    """CloudEvents 1.0 attributes, with the `traceparent` extension (CloudEvents Distributed Tracing)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: UUID = Field(default_factory=new_id)
    source: str
    type: str
    time: datetime = Field(default_factory=lambda: datetime.now(UTC))
    datacontenttype: Literal["application/json"] = "application/json"
    traceparent: str | None = None
    data: JsonValue


def envelope(
    service: str, event_type: str, message_id: UUID, at: datetime, traceparent: str | None, data: object
) -> dict[str, object]:
    """The JSON members of an Envelope without the model, for those who write thousands at once; `data` is JSON already."""
    members: dict[str, object] = {
        "specversion": "1.0",
        "id": message_id,
        "source": f"wian/{service}",
        "type": event_type,
        "time": at,
        "datacontenttype": "application/json",
        "data": data,
    }
    return members if traceparent is None else {**members, "traceparent": traceparent}

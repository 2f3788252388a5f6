"""Settings of the acknowledgment service."""

from typing import Annotated

from pydantic import Field

from shared.settings import ServiceSettings


class AckSettings(ServiceSettings):
    """What the acknowledgment service needs beside the common settings."""

    ack_prefetch: Annotated[int, Field(ge=1, le=100)] = Field(
        default=8, description="Most broker messages that one acknowledgment worker has in hand."
    )
    ack_tracking_link_days: Annotated[int, Field(ge=1, le=3650)] = Field(
        default=90, description="Days for which a tracking link is valid."
    )
    ack_form_hours: Annotated[int, Field(ge=1, le=168)] = Field(
        default=12, description="Hours for which an opened acknowledgment form can be sent."
    )
    ack_tracking_rows: Annotated[int, Field(ge=10, le=2000)] = Field(
        default=500, description="Most recipients on one sheet of the tracking page."
    )
    ack_annex_max_rows: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=10_000, description="Longest list that is printed as a PDF; longer ones are given as CSV or JSON."
    )

"""Settings that every service reads from the environment (prefix ``WIAN_``)."""

from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LINK_KEY_MIN_LENGTH = 32


class ServiceSettings(BaseSettings):
    """What every process needs; each service adds its own in its ``config.py``.

    Durations are seconds. Every field is described in docs/settings.md, which a test holds to this class.
    """

    model_config = SettingsConfigDict(env_prefix="WIAN_", frozen=True, extra="ignore")

    postgres_dsn: SecretStr = Field(description="PostgreSQL address of the one database; the service takes its own role in it.")
    amqp_url: SecretStr = Field(description="RabbitMQ address, with the virtual host.")
    broker_namespace: str = Field(
        default="wian",
        pattern=r"^[a-z0-9][a-z0-9-]{0,40}$",
        description="Prefix of every exchange and queue name: two systems can share one virtual host.",
    )
    public_url: str = Field(
        default="http://127.0.0.1:8080", description="Base address under which agencies reach the API and the pages."
    )
    link_key: SecretStr = Field(
        description="Key (32 characters or more) that signs acknowledgment, tracking and file links; the same in every service."
    )
    jwks_url: str | None = Field(
        default=None, description="Where the keys that sign access tokens are read; default: public_url + /.well-known/jwks.json."
    )
    token_issuer: str = Field(default="wian", description="The `iss` claim that an access token must carry.")
    token_audience: str = Field(default="wian", description="The `aud` claim that an access token must carry.")
    http_host: str = Field(default="127.0.0.1", description="Address that the process listens on.")
    http_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=8080, description="Port that the process listens on; 0 takes a free one."
    )
    postgres_pool_size: Annotated[int, Field(ge=2, le=200)] = Field(
        default=10, description="Most PostgreSQL connections of one service in one process."
    )
    outbox_batch_size: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=200, description="Most outbox messages that the relay publishes at once."
    )
    outbox_poll_interval: Annotated[float, Field(gt=0)] = Field(
        default=0.1, description="Seconds between two looks at an empty outbox."
    )
    outbox_lease: Annotated[float, Field(gt=0)] = Field(
        default=30.0, description="Seconds for which a relay holds the messages that it publishes."
    )
    publish_timeout: Annotated[float, Field(gt=0)] = Field(default=10.0, description="Seconds to wait for the broker's confirm.")
    shutdown_grace: Annotated[float, Field(gt=0)] = Field(
        default=20.0, description="Seconds that a stopping process gives its workers to finish."
    )
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$", description="Least level that is logged.")
    otlp_endpoint: str | None = Field(
        default=None, description="OpenTelemetry collector (OTLP over HTTP) for traces and metrics; none: not exported."
    )

    @classmethod
    def from_environment(cls) -> Self:
        """The settings of this process; raises a ValidationError that names what is missing or contradicts."""
        return cls.model_validate({})

    @field_validator("public_url")
    @classmethod
    def _without_trailing_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @model_validator(mode="after")
    def _relations_hold(self) -> Self:
        if len(self.link_key.get_secret_value()) < LINK_KEY_MIN_LENGTH:
            raise ValueError(f"WIAN_LINK_KEY must have at least {LINK_KEY_MIN_LENGTH} characters")
        if self.outbox_lease <= self.publish_timeout:
            raise ValueError("WIAN_OUTBOX_LEASE must be longer than WIAN_PUBLISH_TIMEOUT, or two relays publish the same message")
        return self

    @property
    def key_set_url(self) -> str:
        """Where the public keys are read."""
        return self.jwks_url or f"{self.public_url}/.well-known/jwks.json"

"""Settings of dispatch."""

import ipaddress
import math
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from services.dispatch.ladder import LADDER
from services.dispatch.mail_notices import MailKind
from services.dispatch.mail_signature import DkimSigner
from services.dispatch.retry import LanePolicy, Policy
from services.dispatch.return_path import ReturnPaths
from services.dispatch.steps import StepLimits
from shared.contracts.topology import Lane
from shared.mailboxes import in_ascii_domain, is_mailbox
from shared.settings import ServiceSettings

MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 86_400.0
# A lease outlasts the request by this much, so that the outcome can be recorded under it.
LEASE_MARGIN: Final = 5.0
LONGEST_STEP: Final = 366 * DAY

PHASES: Final = (
    "dispatch_lookup_timeout",
    "dispatch_connect_timeout",
    "dispatch_tls_timeout",
    "dispatch_send_timeout",
    "dispatch_first_byte_timeout",
)

# Labels of the name system.
SELECTOR_PATTERN: Final = r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _comma_separated(read: Callable[[str], object]) -> Callable[[object], object]:
    def split(value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(read(part.strip()) for part in value.split(",") if part.strip())

    return split


def _is_proxy(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.path in ("", "/") and not parts.query


Seconds = Annotated[tuple[float, ...], NoDecode, BeforeValidator(_comma_separated(float))]


class DispatchSettings(ServiceSettings):
    """What dispatch needs beside the common settings."""

    dispatch_secret_key: SecretStr = Field(
        description="Fernet key under which webhook secrets are kept in the database. Several, separated by commas, for "
        "rotation: the first encrypts, all decrypt."
    )
    dispatch_allow_networks: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_comma_separated(ipaddress.ip_network))] = (
        Field(
            default=(),
            description="Networks (CIDR, separated by commas) that webhooks may reach although they are not public, also by "
            "plain http; for a demo on one machine, or a closed government network.",
        )
    )
    dispatch_endpoint_proof: Literal["required", "off"] = Field(
        default="required",
        description="`required`: an endpoint gets letters when it has answered the CloudEvents handshake or a signed challenge; "
        "`off`: at once, for a closed network whose operator knows every address.",
    )
    dispatch_secret_overlap: Annotated[float, Field(ge=0, le=30 * DAY)] = Field(
        default=DAY, description="Seconds for which a webhook secret that was rotated out still signs beside the new one."
    )
    dispatch_lease: Annotated[float, Field(gt=0)] = Field(
        default=30.0, description="Seconds for which a worker holds the deliveries that it sends; it renews them while it works."
    )
    dispatch_queue_lease: Annotated[float, Field(gt=0)] = Field(
        default=300.0, description="Seconds that a claimed batch may wait in the broker before it is claimed anew."
    )
    dispatch_window: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=2000, description="Most deliveries of one lane and channel that wait in the broker for a worker."
    )
    dispatch_batch_size: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=100, description="Most deliveries in one message to a worker."
    )
    dispatch_poll_interval: Annotated[float, Field(gt=0)] = Field(
        default=0.1, description="Seconds between two looks for due deliveries when there were none."
    )
    dispatch_prefetch: Annotated[int, Field(ge=1, le=100)] = Field(
        default=4, description="Most batches that one worker has in hand, for each lane and channel."
    )
    dispatch_concurrency: Annotated[int, Field(ge=1, le=5000)] = Field(
        default=256, description="Most webhook requests that one worker has just begun, for each lane."
    )
    dispatch_slow_concurrency: Annotated[int, Field(ge=0, le=50_000)] = Field(
        default=2000,
        description="Webhook requests that take longer than a quarter of a second move over to a room of their own for so many, for each lane, "
        "so that slow endpoints hold up no others.",
    )
    dispatch_agency_in_flight: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=20, description="Most webhooks to one agency that are claimed at a time; what is over it waits in the table."
    )
    dispatch_agency_per_second: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="Most webhooks a second to one agency; none: no such limit."
    )
    dispatch_breaker_failures: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=5, description="Failures in a row after which nothing is sent to an endpoint for a while."
    )
    dispatch_breaker_pause: Annotated[float, Field(gt=0)] = Field(
        default=30.0, description="Seconds of that pause; then one letter finds out, and a failure doubles the pause."
    )
    dispatch_breaker_longest_pause: Annotated[float, Field(gt=0)] = Field(
        default=900.0, description="Longest such pause in seconds."
    )
    dispatch_redispatch_pause: Annotated[float, Field(ge=0, le=30 * DAY)] = Field(
        default=DAY,
        description="Seconds from a hand-over until the sender may have the letter sent again to whoever does not answer.",
    )
    dispatch_notice_concurrency: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=32, description="Most requests with events of subscriptions that one worker has just begun."
    )
    dispatch_notice_slow_concurrency: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=500,
        description="Those that take longer than a quarter of a second make room for others; so many of them are waited for beside.",
    )
    dispatch_notice_schedule: Seconds = Field(
        default=(5, 30, 120, 600, 1800, 3600),
        description="Seconds to wait before each retry of subscribed events, separated by commas; the last is repeated for ever.",
    )
    dispatch_resend_pause: Annotated[float, Field(ge=0, le=DAY)] = Field(
        default=60.0,
        description="Seconds after which an agency may have letters sent to itself once more: another range, or the same letter.",
    )
    dispatch_resend_concurrency: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=32, description="Most requests with letters that are sent once more that one worker has just begun."
    )
    dispatch_resend_slow_concurrency: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=200,
        description="Those that take longer than a quarter of a second make room for others; so many of them are waited for beside.",
    )
    dispatch_lookup_timeout: Annotated[float, Field(gt=0)] = Field(
        default=3.0, description="Seconds to wait until an endpoint's name is looked up."
    )
    dispatch_connect_timeout: Annotated[float, Field(gt=0)] = Field(
        default=5.0, description="Seconds to wait for a connection to an endpoint."
    )
    dispatch_tls_timeout: Annotated[float, Field(gt=0)] = Field(
        default=5.0, description="Seconds for the TLS handshake with an endpoint."
    )
    dispatch_send_timeout: Annotated[float, Field(gt=0)] = Field(
        default=5.0, description="Seconds for which an endpoint may leave sent bytes without taking them (on Linux)."
    )
    dispatch_first_byte_timeout: Annotated[float, Field(gt=0)] = Field(
        default=15.0,
        description="Longest silence of an endpoint, in seconds, after it was sent a webhook. As long as the whole request, it has "
        "no effect and costs nothing.",
    )
    dispatch_request_timeout: Annotated[float, Field(gt=0)] = Field(
        default=15.0, description="Seconds for a whole webhook request, from the look-up to the answer; bounds the phases."
    )
    dispatch_idle_connections: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=500, description="Most connections to endpoints that are kept open while nothing is sent on them."
    )
    dispatch_ca_file: str | None = Field(
        default=None,
        description="PEM file of certificate authorities that are trusted for endpoints beside the system's own; for a closed "
        "network with an authority of its own.",
    )
    dispatch_client_certificate: str | None = Field(
        default=None,
        description="PEM file with the certificate (and its chain) that is shown to endpoints that ask for one (mutual TLS).",
    )
    dispatch_client_key: str | None = Field(
        default=None, description="PEM file with the certificate's private key; none: it is in the certificate's file."
    )
    dispatch_client_key_password: SecretStr | None = Field(default=None, description="Password of that key.")
    dispatch_egress_proxy: SecretStr | None = Field(
        default=None,
        description="Proxy (`http://` or `https://`, with user and password if it wants them) by which https webhooks leave, with "
        "CONNECT. It must refuse private addresses itself: it dials what it looks up, not what was checked here.",
    )
    dispatch_retry_schedule: Seconds = Field(
        default=(5, 30, 120, 600, 1800, 7200, 18_000, 36_000, 36_000),
        description="Seconds to wait before each retry on a channel, separated by commas; when the list is used up, the next "
        "channel is tried.",
    )
    dispatch_retry_schedule_express: Seconds = Field(
        default=(2, 5, 15, 30, 60, 120, 180), description="The same for ด่วนที่สุด and ด่วนมาก, whose steps are short."
    )
    dispatch_retry_schedule_bulk: Seconds = Field(
        default=(30, 120, 600, 1800, 7200, 18_000, 36_000, 36_000), description="The same for very long lists."
    )
    dispatch_step_limits: Seconds = Field(
        default=(2 * DAY, 2 * DAY, 14 * DAY, 30 * DAY),
        description="Seconds for which webhook, e-mail, inbox and paper are tried at most, in this order, separated by commas: "
        "then the next of them begins, even if retries are left; when paper's time is over, the letter is undeliverable. "
        "A circular's deadline shortens the steps further.",
    )
    dispatch_step_limits_express: Seconds = Field(
        default=(10 * MINUTE, 15 * MINUTE, 8 * HOUR, 3 * DAY),
        description="The same for ด่วนที่สุด and ด่วนมาก: a webhook that fails is left after 10 minutes, an inbox that nobody "
        "reads after a working day.",
    )
    dispatch_step_limits_bulk: Seconds = Field(
        default=(3 * DAY, 3 * DAY, 30 * DAY, 60 * DAY), description="The same for very long lists."
    )
    dispatch_pull_interval: Annotated[float, Field(gt=0, le=10)] = Field(
        default=0.5, description="Seconds between two looks for letters while calls to lease wait for some."
    )
    dispatch_agency_patience: Annotated[float, Field(ge=0)] = Field(
        default=60.0, description="Seconds to wait for news of an agency that is not known yet; then its letter is in the inbox."
    )
    dispatch_email_secret_letters: bool = Field(
        default=False, description="Whether letters classed ลับ and ลับมาก are announced by e-mail (without subject and text)."
    )
    dispatch_smtp_host: str = Field(default="127.0.0.1", description="Mail server that takes outgoing mail.")
    dispatch_smtp_port: Annotated[int, Field(ge=1, le=65_535)] = Field(default=587, description="Port of the mail server.")
    dispatch_smtp_tls: Literal["auto", "starttls", "tls", "none"] = Field(
        default="auto",
        description="`auto`: STARTTLS when the server offers it; `starttls`: required; `tls`: from the first byte; `none`.",
    )
    dispatch_smtp_username: str | None = Field(default=None, description="User at the mail server; none: no login.")
    dispatch_smtp_password: SecretStr | None = Field(default=None, description="Password of that user.")
    dispatch_smtp_timeout: Annotated[float, Field(gt=0)] = Field(
        default=20.0, description="Seconds to wait for each answer of the mail server."
    )
    dispatch_smtp_connections: Annotated[int, Field(ge=1, le=100)] = Field(
        default=4,
        description="Most connections to the mail server that one worker keeps, for each lane; each carries many mails.",
    )
    dispatch_smtp_idle: Annotated[float, Field(gt=0)] = Field(
        default=30.0, description="Seconds after which a connection to the mail server that carries nothing is closed."
    )
    dispatch_mail_domain_in_flight: Annotated[int, Field(ge=1, le=100)] = Field(
        default=2,
        description="Most mails to one recipient domain that one worker sends at a time, so that a slow domain holds up no others; "
        "fewer than the connections.",
    )
    dispatch_mail_domain_per_minute: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None, description="Most mails a minute from one worker to one recipient domain; none: no such limit."
    )
    dispatch_mail_from: str = Field(default="saraban@wian.invalid", description="Sender address of outgoing mail.")
    dispatch_dkim_key: SecretStr | None = Field(
        default=None,
        description="RSA key (PEM, 2048 bits or more, no password) that signs outgoing mail (DKIM); none: it is not signed here.",
    )
    dispatch_dkim_selector: str | None = Field(
        default=None, pattern=SELECTOR_PATTERN, description="Selector under which the DNS has the DKIM key's public half."
    )
    dispatch_dkim_domain: str | None = Field(
        default=None, description="Domain that signs; the domain of the sender address, or one above it. None: that domain."
    )
    dispatch_bounce_domain: str | None = Field(
        default=None,
        description="Domain whose mail comes to the bounce listener: each mail then has a return path of its own there. None: bounces "
        "go to the sender address, and nobody reads them here.",
    )
    dispatch_bounce_host: str = Field(default="127.0.0.1", description="Address that the bounce listener of a worker listens on.")
    dispatch_bounce_port: Annotated[int, Field(ge=0, le=65_535)] | None = Field(
        default=None, description="Port of the bounce listener (SMTP); 0 takes a free one. None: there is no listener."
    )
    dispatch_bounce_max_bytes: Annotated[int, Field(ge=16_384)] = Field(
        default=4 * 1024 * 1024, description="Largest message that the bounce listener takes."
    )
    dispatch_bounce_connections: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=20, description="Most connections to the bounce listener; others are asked to come later."
    )
    dispatch_bounce_timeout: Annotated[float, Field(gt=0)] = Field(
        default=60.0, description="Seconds for a whole conversation with the bounce listener."
    )
    dispatch_mail_reminders: bool = Field(
        default=True,
        description="Whether agencies with a mailbox are mailed reminders of letters that wait for an answer; each may switch it off for itself.",
    )
    dispatch_mail_answers: bool = Field(
        default=True,
        description="Whether an agency is mailed what was recorded in its name by the page behind a letter's link, or by the sender's clerk.",
    )
    dispatch_mail_notice_concurrency: Annotated[int, Field(ge=1, le=100)] = Field(
        default=4, description="Most of these mails, and connections for them, that one worker has under way at a time."
    )
    dispatch_email_attach_limit: Annotated[int, Field(ge=0)] = Field(
        default=5 * 1024 * 1024, description="PDF files are attached to the mail when they have no more bytes together than this."
    )
    dispatch_internal_url: str | None = Field(
        default=None, description="Base address under which dispatch itself reads attachments; none: public_url."
    )
    dispatch_observe_interval: Annotated[float, Field(gt=0)] = Field(
        default=15.0, description="Seconds between two measurements of the backlog."
    )

    @field_validator("dispatch_internal_url")
    @classmethod
    def _internal_without_trailing_slash(cls, value: str | None) -> str | None:
        return None if value is None else value.rstrip("/")

    @field_validator("dispatch_mail_from")
    @classmethod
    def _sender_is_a_mailbox(cls, value: str) -> str:
        # Every server on the way must be able to write to it.
        if not (value.isascii() and is_mailbox(value)):
            raise ValueError("WIAN_DISPATCH_MAIL_FROM must be an ASCII address such as saraban@example.go.th")
        return value

    @model_validator(mode="after")
    def _dispatch_relations_hold(self) -> Self:
        keys = self.secret_keys
        if not keys:
            raise ValueError("WIAN_DISPATCH_SECRET_KEY must hold at least one Fernet key")
        try:
            for key in keys:
                Fernet(key)
        except ValueError:
            raise ValueError("WIAN_DISPATCH_SECRET_KEY: each key is 32 bytes in URL-safe base64") from None
        for lane in Lane:
            suffix = "" if lane is Lane.NORMAL else f"_{lane.upper()}"
            schedule, limits = self._schedule(lane), self._limits(lane)
            if not schedule or not all(math.isfinite(wait) and wait > 0 for wait in schedule):
                raise ValueError(f"WIAN_DISPATCH_RETRY_SCHEDULE{suffix} must list one or more seconds greater than 0")
            if len(limits) != len(LADDER) or not all(0 < limit <= LONGEST_STEP for limit in limits):
                raise ValueError(
                    f"WIAN_DISPATCH_STEP_LIMITS{suffix} must list seconds from above 0 to a year for webhook, e-mail, inbox and paper"
                )
        if not self.dispatch_notice_schedule or not all(
            math.isfinite(wait) and wait > 0 for wait in self.dispatch_notice_schedule
        ):
            raise ValueError("WIAN_DISPATCH_NOTICE_SCHEDULE must list one or more seconds greater than 0")
        self._transport_relations_hold()
        self._mail_relations_hold()
        if self.dispatch_lease < max(self.dispatch_request_timeout, self.dispatch_smtp_timeout) + LEASE_MARGIN:
            raise ValueError(
                f"WIAN_DISPATCH_LEASE must be at least {LEASE_MARGIN:g} s longer than WIAN_DISPATCH_REQUEST_TIMEOUT and "
                "WIAN_DISPATCH_SMTP_TIMEOUT, or a delivery is sent again while it is being sent"
            )
        if self.dispatch_queue_lease <= self.publish_timeout + LEASE_MARGIN:
            raise ValueError(f"WIAN_DISPATCH_QUEUE_LEASE must be more than {LEASE_MARGIN:g} s longer than WIAN_PUBLISH_TIMEOUT")
        if self.dispatch_breaker_longest_pause < self.dispatch_breaker_pause:
            raise ValueError("WIAN_DISPATCH_BREAKER_LONGEST_PAUSE must not be shorter than WIAN_DISPATCH_BREAKER_PAUSE")
        if self.dispatch_window < self.dispatch_batch_size:
            raise ValueError("WIAN_DISPATCH_WINDOW must hold at least one batch (WIAN_DISPATCH_BATCH_SIZE)")
        return self

    def _transport_relations_hold(self) -> None:
        for name in PHASES:
            # A default gives way to a shorter whole; what is set on purpose must have an effect.
            if name in self.model_fields_set and getattr(self, name) > self.dispatch_request_timeout:
                raise ValueError(f"WIAN_{name.upper()} must not exceed WIAN_DISPATCH_REQUEST_TIMEOUT")
        if self.dispatch_client_key is not None and self.dispatch_client_certificate is None:
            raise ValueError("WIAN_DISPATCH_CLIENT_KEY needs WIAN_DISPATCH_CLIENT_CERTIFICATE")
        if self.dispatch_client_key_password is not None and self.dispatch_client_certificate is None:
            raise ValueError("WIAN_DISPATCH_CLIENT_KEY_PASSWORD needs WIAN_DISPATCH_CLIENT_CERTIFICATE")
        if self.dispatch_egress_proxy is not None and not _is_proxy(self.dispatch_egress_proxy.get_secret_value()):
            raise ValueError("WIAN_DISPATCH_EGRESS_PROXY must be http://host:port or https://host:port, without a path")

    def _mail_relations_hold(self) -> None:
        if self.dispatch_mail_domain_in_flight > self.dispatch_smtp_connections:
            raise ValueError("WIAN_DISPATCH_MAIL_DOMAIN_IN_FLIGHT must not exceed WIAN_DISPATCH_SMTP_CONNECTIONS")
        if (self.dispatch_dkim_key is None) != (self.dispatch_dkim_selector is None):
            raise ValueError("WIAN_DISPATCH_DKIM_KEY and WIAN_DISPATCH_DKIM_SELECTOR need each other")
        if self.dispatch_dkim_domain is not None:
            if self.dispatch_dkim_key is None:
                raise ValueError("WIAN_DISPATCH_DKIM_DOMAIN needs WIAN_DISPATCH_DKIM_KEY")
            if not f".{self._mail_domain}".endswith(f".{self.dispatch_dkim_domain.lower()}"):
                raise ValueError("WIAN_DISPATCH_DKIM_DOMAIN must be the domain of WIAN_DISPATCH_MAIL_FROM, or one above it")
        try:
            _ = self.dkim_signer
        except ValueError as error:
            raise ValueError(f"WIAN_DISPATCH_DKIM_KEY: {error}") from None
        if self.dispatch_bounce_domain is not None and not is_mailbox(f"bounces@{self.dispatch_bounce_domain}"):
            raise ValueError("WIAN_DISPATCH_BOUNCE_DOMAIN must be a domain such as bounces.example.go.th")

        if self.dispatch_bounce_port is not None and self.dispatch_bounce_domain is None:
            raise ValueError("WIAN_DISPATCH_BOUNCE_PORT needs WIAN_DISPATCH_BOUNCE_DOMAIN")

    @property
    def _mail_domain(self) -> str:
        return self.dispatch_mail_from.rpartition("@")[2].lower()

    @property
    def dkim_signer(self) -> DkimSigner | None:
        """What signs outgoing mail; None when it is not signed here."""
        if self.dispatch_dkim_key is None or self.dispatch_dkim_selector is None:
            return None
        domain = self.dispatch_dkim_domain or self._mail_domain
        return DkimSigner.open(
            self.dispatch_dkim_key.get_secret_value(), selector=self.dispatch_dkim_selector, domain=domain.lower()
        )

    @property
    def return_paths(self) -> ReturnPaths | None:
        """Where bounces come back to; None when nobody reads them here."""
        if self.dispatch_bounce_domain is None:
            return None
        domain = in_ascii_domain(f"@{self.dispatch_bounce_domain}").removeprefix("@")
        return ReturnPaths(self.link_key.get_secret_value(), domain)

    @property
    def mail_kinds(self) -> frozenset[MailKind]:
        """Which mails are sent beside letters."""
        on = {MailKind.REMINDED: self.dispatch_mail_reminders, MailKind.ANSWERED: self.dispatch_mail_answers}
        return frozenset(kind for kind, wanted in on.items() if wanted)

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """The Fernet keys, the one that encrypts first."""
        return tuple(key.strip() for key in self.dispatch_secret_key.get_secret_value().split(",") if key.strip())

    @property
    def policy(self) -> Policy:
        """How deliveries are tried again and passed on, by urgency."""
        return Policy(
            lanes={lane: LanePolicy(self._schedule(lane), StepLimits.of_seconds(self._limits(lane))) for lane in Lane},
            agency_patience=timedelta(seconds=self.dispatch_agency_patience),
        )

    def _schedule(self, lane: Lane) -> tuple[float, ...]:
        match lane:
            case Lane.EXPRESS:
                return self.dispatch_retry_schedule_express
            case Lane.NORMAL:
                return self.dispatch_retry_schedule
            case Lane.BULK:
                return self.dispatch_retry_schedule_bulk

    def _limits(self, lane: Lane) -> tuple[float, ...]:
        match lane:
            case Lane.EXPRESS:
                return self.dispatch_step_limits_express
            case Lane.NORMAL:
                return self.dispatch_step_limits
            case Lane.BULK:
                return self.dispatch_step_limits_bulk

"""Outcomes, the ladder, and the decisions on a delivery."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import aiosmtplib
import pytest
from cryptography.fernet import Fernet
from pydantic import ValidationError

from services.dispatch.config import DispatchSettings
from services.dispatch.delivery.decide import (
    LOST_LEASES,
    Again,
    HandedOver,
    LostLease,
    Recalled,
    Standing,
    Take,
    Transition,
    Undeliverable,
    bounced,
    decide,
    first_step,
    lease_lost,
    pulled,
    sent_on_paper,
    unanswered_again,
    without_sending,
)
from services.dispatch.ladder import Routes, first_channel, grade_of, lane_of, next_channel, routes_to
from services.dispatch.mail import outcome_of as mail_outcome
from services.dispatch.mail import unreachable
from services.dispatch.mail_message import one_line
from services.dispatch.mail_pool import start_tls
from services.dispatch.outcomes import Deferred, Delivered, Gone, NoRoute, Outcome, Refused, RetryLater, answer_text
from services.dispatch.reasons import http_reason
from services.dispatch.retry import LanePolicy, Policy
from services.dispatch.signatures import is_usable, new_secret
from services.dispatch.steps import StepLimits
from services.dispatch.transport import Answer, outcome_of, retry_after_seconds
from services.dispatch.vault import SecretLost, Vault
from shared.contracts.events import Channel, HandOverGrade, Secrecy, Speed
from shared.contracts.topology import Lane
from shared.mailboxes import domain_of, in_ascii_domain, is_mailbox

NOW = datetime(2026, 11, 9, 9, 0, tzinfo=UTC)
LIMITS = StepLimits(timedelta(hours=1), timedelta(hours=2), timedelta(days=30), timedelta(days=60))
POLICY = Policy({lane: LanePolicy((5.0, 30.0), LIMITS) for lane in Lane}, agency_patience=timedelta(seconds=60))
REQUIRED = {
    "postgres_dsn": "postgresql://localhost/x",
    "amqp_url": "amqp://localhost/",
    "link_key": "k" * 43,
    "dispatch_secret_key": Fernet.generate_key().decode(),
}
BOTH = Routes(webhook=True, email=True)
NEITHER = Routes(webhook=False, email=False)


def standing(
    channel: Channel | None = Channel.WEBHOOK,
    *,
    tried: int = 0,
    routes: Routes = BOTH,
    until: datetime | None = None,
    acknowledged_at: datetime | None = None,
) -> Standing:
    return Standing(Lane.NORMAL, channel, until, tried, tried, routes, None, acknowledged_at)


@pytest.mark.parametrize(
    ("routes", "first"),
    [
        (BOTH, Channel.WEBHOOK),
        (Routes(webhook=True, email=False), Channel.WEBHOOK),
        (Routes(webhook=False, email=True), Channel.EMAIL),
        (NEITHER, Channel.INBOX),
    ],
)
def test_the_first_channel_is_the_best_that_is_open(routes: Routes, first: Channel) -> None:
    assert first_channel(routes) is first


def test_the_ladder_goes_down_and_ends_with_paper() -> None:
    assert next_channel(Channel.WEBHOOK, BOTH) is Channel.EMAIL
    assert next_channel(Channel.WEBHOOK, NEITHER) is Channel.INBOX
    assert next_channel(Channel.EMAIL, BOTH) is Channel.INBOX
    assert next_channel(Channel.INBOX, BOTH) is Channel.PAPER
    assert next_channel(Channel.PAPER, BOTH) is None


@pytest.mark.parametrize("secrecy", [Secrecy.CONFIDENTIAL, Secrecy.SECRET])
def test_secret_letters_go_by_mail_only_when_the_operator_says_so(secrecy: Secrecy) -> None:
    def by_mail(*, allowed: bool) -> bool:
        return routes_to(has_endpoint=False, email="saraban@a.go.th", secrecy=secrecy, email_secret_letters=allowed).email

    assert not by_mail(allowed=False)
    assert by_mail(allowed=True)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "",
            "saraban",
            "a@b",
            "a@b.th\nBcc: x@y.th",
            "a b@c.th",
            "<a@b.th>",
            "a@b.th,c@d.th",
            "a" * 65 + "@b.th",
            "ก" * 22 + "@b.th",
        ),
        *("ก\u200bข@b.th", "a\u202eb@c.th", "e\u0301@b.th", "a@b\u3002th", "a@-\u0e00.th", "a@xn--.ไทย.", "a@b..th"),
    ],
)
def test_what_is_no_mailbox_gets_no_mail(address: str) -> None:
    assert not is_mailbox(address)
    assert not routes_to(has_endpoint=False, email=address, secrecy=Secrecy.NORMAL, email_secret_letters=False).email


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("saraban@Moi.GO.th", "moi.go.th"),
        ("สารบรรณ@moi.go.th", "moi.go.th"),
        ("saraban@มหาดไทย.ไทย", "xn--l3cg2ag6b2bxi.xn--o3cw4h"),
        ("ที่ว่าการ@อำเภอ.ไทย", "อำเภอ".encode("idna").decode() + ".xn--o3cw4h"),
    ],
)
def test_mailboxes_of_any_script_are_written_to_at_their_domain_in_ascii(address: str, domain: str) -> None:
    assert is_mailbox(address)
    assert domain_of(address) == domain
    assert in_ascii_domain(address).rpartition("@")[2].lower() == domain
    assert in_ascii_domain(address).rpartition("@")[0] == address.rpartition("@")[0]


def test_lanes_follow_speed_before_length() -> None:
    assert lane_of(Speed.MOST_URGENT, 10_000) is Lane.EXPRESS
    assert lane_of(Speed.VERY_URGENT, 1) is Lane.EXPRESS
    assert lane_of(Speed.URGENT, 5000) is Lane.NORMAL
    assert lane_of(Speed.NORMAL, 5001) is Lane.BULK


def test_every_channel_has_a_grade_and_mail_of_both_kinds_proves_least() -> None:
    grades = {channel: grade_of(channel) for channel in Channel}
    assert grades == {
        Channel.WEBHOOK: HandOverGrade.TRANSPORT,
        Channel.EMAIL: HandOverGrade.BLIND,
        Channel.INBOX: HandOverGrade.TRANSPORT,
        Channel.PAPER: HandOverGrade.BLIND,
    }


TO_EMAIL = Take(Channel.EMAIL, NOW, NOW + LIMITS.email)
TO_INBOX = Take(Channel.INBOX, NOW + LIMITS.inbox, NOW + LIMITS.inbox)
EXPECTED: dict[type[Outcome], Transition] = {
    Delivered: HandedOver(Channel.WEBHOOK, HandOverGrade.TRANSPORT, NOW),
    RetryLater: Again(NOW + timedelta(seconds=5)),
    Refused: TO_EMAIL,
    Gone: TO_EMAIL,
    NoRoute: TO_EMAIL,
    Deferred: Again(NOW + timedelta(seconds=3)),
}
EXAMPLES: tuple[Outcome, ...] = (
    Delivered(200),
    RetryLater("timeout"),
    Refused(http_reason(404), 404),
    Gone(410),
    NoRoute("none"),
    Deferred("over a limit", 3),
)


def test_every_outcome_is_decided() -> None:
    assert set(EXPECTED) == set(get_args(Outcome)) == {type(outcome) for outcome in EXAMPLES}
    for outcome in EXAMPLES:
        assert decide(outcome, standing(), POLICY, NOW, 0.5) == EXPECTED[type(outcome)]


def test_the_next_channel_is_taken_when_the_schedule_is_used_up() -> None:
    assert decide(RetryLater("timeout"), standing(tried=1), POLICY, NOW, 0.5) == Again(NOW + timedelta(seconds=30))
    assert decide(RetryLater("timeout"), standing(tried=2), POLICY, NOW, 0.5) == TO_EMAIL
    by_mail = standing(Channel.EMAIL, tried=2)
    assert decide(RetryLater("recipient_refused"), by_mail, POLICY, NOW, 0.5) == TO_INBOX


def test_what_is_deferred_waits_no_longer_than_its_step() -> None:
    deferred = Deferred("over a limit", 3)
    soon = NOW + timedelta(seconds=1)
    assert decide(deferred, standing(tried=9), POLICY, NOW, 0.5) == Again(NOW + timedelta(seconds=3)), "it costs no attempt"
    assert decide(deferred, standing(until=soon), POLICY, NOW, 0.5) == Again(soon)
    assert decide(deferred, standing(until=NOW), POLICY, NOW, 0.5) == TO_EMAIL


@pytest.mark.parametrize("outcome", EXAMPLES[1:])
def test_an_acknowledged_delivery_is_never_tried_again(outcome: Outcome) -> None:
    earlier = NOW - timedelta(seconds=9)
    expected = HandedOver(Channel.WEBHOOK, HandOverGrade.BLIND, earlier)
    assert decide(outcome, standing(acknowledged_at=earlier), POLICY, NOW, 0.5) == expected
    assert lease_lost(standing(acknowledged_at=earlier), POLICY, NOW) == expected


def test_an_answer_that_is_taken_back_sets_nothing_going() -> None:
    answered = standing(acknowledged_at=NOW)
    recalled = replace(answered, recalled_at=NOW)
    assert unanswered_again(answered, "leased") == HandedOver(Channel.WEBHOOK, HandOverGrade.BLIND, NOW)
    assert unanswered_again(recalled, "undeliverable") == Recalled(NOW)
    for state in ("scheduled", "handed_over", "recalled", "undeliverable"):
        assert unanswered_again(answered, state) is None
        assert unanswered_again(standing(), state) is None


def test_a_mail_that_comes_back_after_its_recall_takes_no_further_way() -> None:
    recalled = replace(standing(Channel.EMAIL), recalled_at=NOW)
    assert bounced(recalled, POLICY, NOW) == Recalled(NOW)
    assert isinstance(bounced(standing(Channel.EMAIL), POLICY, NOW), Take)


def test_an_acknowledgment_does_not_weaken_what_the_endpoint_has_confirmed() -> None:
    assert decide(Delivered(200), standing(acknowledged_at=NOW), POLICY, NOW, 0.5) == EXPECTED[Delivered]


def test_what_nobody_sends_is_decided_too() -> None:
    def due(channel: Channel | None, *, known: bool = True, age: int = 0, until: datetime | None = NOW) -> Transition:
        created_at = NOW - timedelta(seconds=age)
        return without_sending(standing(channel, until=until), agency_known=known, created_at=created_at, policy=POLICY, now=NOW)

    assert isinstance(due(None, known=False), Again)
    assert due(None) == Take(Channel.WEBHOOK, NOW, NOW + LIMITS.webhook)
    assert isinstance(due(None, known=False, age=60), Take)
    assert due(Channel.WEBHOOK) == TO_EMAIL, "a step that nobody could try ends all the same"
    assert due(Channel.WEBHOOK, until=NOW + timedelta(seconds=1)) == Again(NOW)
    assert due(Channel.EMAIL) == TO_INBOX
    assert due(Channel.INBOX) == Take(Channel.PAPER, NOW + LIMITS.paper, NOW + LIMITS.paper)
    ended = due(Channel.PAPER)
    assert isinstance(ended, Undeliverable)
    assert ended.reason == "paper_not_sent"
    assert pulled(NOW) == HandedOver(Channel.INBOX, HandOverGrade.TRANSPORT, NOW)
    assert sent_on_paper(NOW) == HandedOver(Channel.PAPER, HandOverGrade.BLIND, NOW)
    assert first_step(BOTH, Lane.NORMAL, None, POLICY, NOW) == Take(Channel.WEBHOOK, NOW, NOW + LIMITS.webhook)
    assert first_step(NEITHER, Lane.NORMAL, None, POLICY, NOW) == TO_INBOX
    assert isinstance(first_step(None, Lane.NORMAL, None, POLICY, NOW), Again)


def test_a_step_ends_at_its_limit_whatever_is_left_of_its_retries() -> None:
    def failed(left: float, after: float | None = None) -> Transition:
        until = NOW + timedelta(seconds=left)
        return decide(RetryLater("timeout", after=after), standing(until=until), POLICY, NOW, 0.5)

    assert failed(5.1) == Again(NOW + timedelta(seconds=5))
    assert failed(5) == TO_EMAIL
    assert failed(-1) == TO_EMAIL, "a late attempt is the last of its step"
    assert failed(600, after=599) == Again(NOW + timedelta(seconds=599))
    assert failed(600, after=601) == TO_EMAIL, "the endpoint asks for more than the step has"


def test_a_lost_lease_is_sent_again_unless_its_step_had_its_chance() -> None:
    def lost(late: timedelta, tried: int) -> Transition:
        return lease_lost(standing(until=NOW - late, tried=tried), POLICY, NOW)

    assert lease_lost(standing(), POLICY, NOW) == LostLease(NOW)
    assert lost(timedelta(seconds=-1), 1) == LostLease(NOW)
    assert lost(timedelta(0), 1) == TO_EMAIL
    assert lost(timedelta(days=1), 0) == LostLease(NOW), "our own outage outlasted the step: it is tried all the same"


def test_what_ends_one_worker_after_another_waits_longer_and_leaves_the_channel() -> None:
    waits = []
    for losses in range(LOST_LEASES - 1):
        again = lease_lost(replace(standing(), lost_leases=losses), POLICY, NOW)
        assert isinstance(again, LostLease)
        waits.append((again.at - NOW).total_seconds())
    assert waits == [0, 5, 15, 35, 75, 155, 315]
    assert lease_lost(replace(standing(), lost_leases=LOST_LEASES - 1), POLICY, NOW) == TO_EMAIL


def test_an_express_letter_is_tried_sooner_and_leaves_a_channel_sooner() -> None:
    express, normal, bulk = (DispatchSettings(**REQUIRED).policy.lanes[lane] for lane in Lane)  # pyright: ignore[reportArgumentType]
    assert express.limits.webhook == timedelta(minutes=10)
    assert sum(express.schedule) < express.limits.webhook.total_seconds(), "the retries fit into the step"
    for channel in Channel:
        assert express.limits.of(channel) < normal.limits.of(channel) <= bulk.limits.of(channel)
    assert all(soon <= later for soon, later in zip(express.schedule, normal.schedule, strict=False))
    assert all(soon <= later for soon, later in zip(normal.schedule, bulk.schedule, strict=False))


@pytest.mark.parametrize("status", range(200, 300))
def test_2xx_alone_is_success(status: int) -> None:
    assert isinstance(outcome_of(Answer(status, b"", None), NOW), Delivered)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert isinstance(outcome_of(Answer(status, b"", None), NOW), RetryLater)


@pytest.mark.parametrize("status", [100, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 413, 422, 451])
def test_other_answers_are_refusals(status: int) -> None:
    assert isinstance(outcome_of(Answer(status, b"", None), NOW), Refused)


def test_410_is_gone() -> None:
    assert outcome_of(Answer(410, b"bye", None), NOW) == Gone(410, "bye")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        ("Mon, 09 Nov 2026 09:01:00 GMT", 60.0),
        ("Mon, 09 Nov 2026 08:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("๑๒", None),
        ("9" * 400, 9999999999.0),
    ],
)
def test_retry_after_is_read_in_both_forms(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, NOW) == seconds


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (aiosmtplib.SMTPRecipientsRefused([aiosmtplib.SMTPRecipientRefused(550, "no", "a@b.th")]), Refused),
        (aiosmtplib.SMTPRecipientsRefused([aiosmtplib.SMTPRecipientRefused(451, "later", "a@b.th")]), RetryLater),
        (aiosmtplib.SMTPDataError(554, "spam"), Refused),
        (aiosmtplib.SMTPDataError(452, "full"), RetryLater),
        (aiosmtplib.SMTPAuthenticationError(535, "no"), RetryLater),
        (aiosmtplib.SMTPSenderRefused(550, "no", "a@b.th"), RetryLater),
        (aiosmtplib.SMTPConnectResponseError(554, "no"), RetryLater),
        (aiosmtplib.SMTPServerDisconnected("gone"), RetryLater),
        (aiosmtplib.SMTPReadTimeoutError("slow"), RetryLater),
        (ConnectionRefusedError(), RetryLater),
    ],
)
def test_a_mail_servers_answers_are_told_apart(error: Exception, expected: type[Outcome]) -> None:
    assert isinstance(mail_outcome(error), expected)


@pytest.mark.parametrize(
    "error",
    [
        aiosmtplib.SMTPHeloError(550, "who are you"),
        aiosmtplib.SMTPResponseException(554, "no STARTTLS today"),
        aiosmtplib.SMTPAuthenticationError(535, "no"),
        ConnectionRefusedError(),
    ],
)
def test_trouble_with_our_own_mail_server_is_never_a_recipients_refusal(error: Exception) -> None:
    assert isinstance(unreachable(error), RetryLater)


def test_tls_modes_are_those_of_the_client() -> None:
    assert [start_tls(mode) for mode in ("auto", "starttls", "tls", "none")] == [None, True, False, False]


def test_an_answer_is_cut_on_a_character_and_can_be_stored() -> None:
    cut = answer_text("ก" * 1000)
    assert len(cut.encode()) == 1023
    assert "\x00" not in answer_text(b"a\x00b\xff")


def test_header_text_stands_on_one_line() -> None:
    assert one_line("เรื่อง\r\nBcc: x\u2028y\u202e") == "เรื่อง Bcc: x y"


def test_a_secret_is_sealed_and_opened_with_an_older_key() -> None:
    first, second = (Fernet.generate_key().decode() for _ in range(2))
    secret = new_secret()
    assert is_usable(secret)
    sealed = Vault([first]).seal(secret)
    assert Vault([second, first]).open(sealed) == secret
    with pytest.raises(SecretLost):
        Vault([second]).open(sealed)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!", "plain", "whsec_" + "A" * 400])
def test_a_weak_or_malformed_secret_is_not_usable(secret: str) -> None:
    assert not is_usable(secret)


@pytest.mark.parametrize(
    ("setting", "value", "named"),
    [
        ("dispatch_secret_key", "short", "WIAN_DISPATCH_SECRET_KEY"),
        ("dispatch_secret_key", " , ", "WIAN_DISPATCH_SECRET_KEY"),
        ("dispatch_lease", "19", "WIAN_DISPATCH_LEASE"),
        ("dispatch_lookup_timeout", "16", "WIAN_DISPATCH_LOOKUP_TIMEOUT"),
        ("dispatch_connect_timeout", "16", "WIAN_DISPATCH_CONNECT_TIMEOUT"),
        ("dispatch_tls_timeout", "16", "WIAN_DISPATCH_TLS_TIMEOUT"),
        ("dispatch_send_timeout", "16", "WIAN_DISPATCH_SEND_TIMEOUT"),
        ("dispatch_first_byte_timeout", "16", "WIAN_DISPATCH_FIRST_BYTE_TIMEOUT"),
        ("dispatch_client_key", "key.pem", "WIAN_DISPATCH_CLIENT_CERTIFICATE"),
        ("dispatch_client_key_password", "secret", "WIAN_DISPATCH_CLIENT_CERTIFICATE"),
        ("dispatch_egress_proxy", "socks5://proxy:1080", "WIAN_DISPATCH_EGRESS_PROXY"),
        ("dispatch_egress_proxy", "http://proxy:port", "WIAN_DISPATCH_EGRESS_PROXY"),
        ("dispatch_egress_proxy", "http://proxy:3128/path", "WIAN_DISPATCH_EGRESS_PROXY"),
        ("dispatch_retry_schedule", "", "WIAN_DISPATCH_RETRY_SCHEDULE"),
        ("dispatch_retry_schedule", "5,-1", "WIAN_DISPATCH_RETRY_SCHEDULE"),
        ("dispatch_retry_schedule", "5,nan", "WIAN_DISPATCH_RETRY_SCHEDULE"),
        ("dispatch_retry_schedule_express", "0", "WIAN_DISPATCH_RETRY_SCHEDULE_EXPRESS"),
        ("dispatch_step_limits", "60,60,60", "WIAN_DISPATCH_STEP_LIMITS "),
        ("dispatch_step_limits_bulk", "60,60,nan,60", "WIAN_DISPATCH_STEP_LIMITS_BULK"),
        ("dispatch_step_limits_express", "60,60,60,1e12", "WIAN_DISPATCH_STEP_LIMITS_EXPRESS"),
        ("dispatch_window", "50", "WIAN_DISPATCH_WINDOW"),
        ("dispatch_queue_lease", "5", "WIAN_DISPATCH_QUEUE_LEASE"),
        ("dispatch_mail_from", "a@b.th\nBcc: c@d.th", "WIAN_DISPATCH_MAIL_FROM"),
        ("dispatch_mail_from", "สารบรรณ@example.go.th", "WIAN_DISPATCH_MAIL_FROM"),
        ("dispatch_smtp_connections", "1", "WIAN_DISPATCH_MAIL_DOMAIN_IN_FLIGHT"),
        ("dispatch_dkim_selector", "wian1", "WIAN_DISPATCH_DKIM_KEY"),
        ("dispatch_dkim_key", "-----BEGIN", "WIAN_DISPATCH_DKIM_SELECTOR"),
        ("dispatch_dkim_domain", "wian.invalid", "WIAN_DISPATCH_DKIM_KEY"),
        ("dispatch_bounce_domain", "no domain", "WIAN_DISPATCH_BOUNCE_DOMAIN"),
        ("dispatch_bounce_port", "2525", "WIAN_DISPATCH_BOUNCE_DOMAIN"),
        ("dispatch_allow_networks", "127.0.0.1/8", "dispatch_allow_networks"),
    ],
)
def test_settings_that_do_not_fit_together_are_named(setting: str, value: str, named: str) -> None:
    DispatchSettings(**REQUIRED)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValidationError, match=named):
        DispatchSettings(**{**REQUIRED, setting: value})  # pyright: ignore[reportArgumentType]

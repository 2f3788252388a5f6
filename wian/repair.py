"""`wian repair`: what did not arrive, why, and setting it going again, over the API with a client's own credentials."""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import httpx
from cyclopts import App, Parameter

DEFAULT_URL: Final = "http://127.0.0.1:8080"
TIMEOUT: Final = 60.0
PAGE: Final = 200

Json = Any

Circular = Annotated[str | None, Parameter(help="Only those of this circular.")]
SenderAgency = Annotated[str | None, Parameter(help="Only letters that this agency sent; for an operator.")]
RecipientAgency = Annotated[str | None, Parameter(help="Only letters to this agency.")]
CauseCode = Annotated[str | None, Parameter(help="Only those of this cause: one of the codes in docs/repair.md.")]
BlameName = Annotated[str | None, Parameter(help="Only those that this side can mend: sender, platform, network or recipient.")]
Since = Annotated[str | None, Parameter(help="Only those that failed then or later, such as 2026-11-23T00:00:00+07:00.")]
Before = Annotated[str | None, Parameter(help="Only those that failed before.")]
EventType = Annotated[str | None, Parameter(help="Only messages of this type.")]
QueueName = Annotated[str | None, Parameter(help="Only messages that died in this queue.")]
State = Annotated[Literal["kept", "redriven", "discarded"], Parameter(help="Which of them.")]
Most = Annotated[int, Parameter(help="Most that are shown.")]
InOneCall = Annotated[int, Parameter(help="Most in this call, up to 1000.")]
InFlight = Annotated[int | None, Parameter(help="Most letters under way at a time, 1 to 1000; left out: as for all agencies.")]
PerSecond = Annotated[float | None, Parameter(help="Most requests a second; left out: as for all agencies.")]
Why = Annotated[str, Parameter(help="The reason, which is written down.")]

app = App(name="repair", help="What did not arrive, why, and setting it going again (docs/repair.md).")
deliveries = App(name="deliveries", help="Undeliverable letters: an agency's own, or all agencies' for an operator.")
dead_letters = App(name="dead-letters", help="Messages between the services that could not be applied; for an operator.")
limits = App(name="limits", help="How fast letters go to an agency's endpoint; for an operator.")
app.command(deliveries)
app.command(dead_letters)
app.command(limits)


class RepairError(Exception):
    """The call cannot be made, or was refused; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """The API, as one client may use it."""

    http: httpx.Client
    is_operator: bool

    @property
    def deliveries(self) -> str:
        return "/v1/repair/deliveries" if self.is_operator else "/v1/deliveries"

    def call(self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Json = None) -> Json:
        """The answer of a call that succeeded; raises RepairError."""
        return _answer(self.http.request(method, path, params=query, json=body))

    def all_items(self, path: str, query: Mapping[str, str], most: int) -> list[Json]:
        """The first `most` items of a listing, over its pages."""
        items: list[Json] = []
        after: dict[str, str] = {}
        while len(items) < most:
            limit = str(min(PAGE, most - len(items)))
            page = self.call("GET", path, query={**query, **after, "limit": limit})
            items += page["items"]
            if page["next"] is None:
                break
            after = {"after": page["next"]}
        return items


def connect(environment: Mapping[str, str] = os.environ, transport: httpx.BaseTransport | None = None) -> Exchange:
    """Log in with `WIAN_CLIENT_ID` and `WIAN_CLIENT_SECRET` at `WIAN_API_URL`; whether it is an operator, the token tells."""
    try:
        credentials = httpx.BasicAuth(environment["WIAN_CLIENT_ID"], environment["WIAN_CLIENT_SECRET"])
    except KeyError as error:
        raise RepairError(f"{error.args[0]} is not set: give the client id and secret of an agency or of the operator") from error
    http = httpx.Client(base_url=environment.get("WIAN_API_URL", DEFAULT_URL), timeout=TIMEOUT, transport=transport)
    token = _answer(http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=credentials))
    http.headers["Authorization"] = f"Bearer {token['access_token']}"
    return Exchange(http, is_operator="operate" in token["scope"].split())


def _answer(response: httpx.Response) -> Json:
    if response.is_success:
        return response.json()
    try:
        problem = response.json()
        wrong = "".join(f"\n  {error['pointer']}: {error['detail']}" for error in problem.get("errors", ()))
        told = f"{problem['title']} ({problem['code']}). {problem['detail']}{wrong}\n{problem['remedy']['en']}"
    except (ValueError, KeyError, TypeError):
        told = f"{response.request.method} {response.request.url.path}: {response.status_code}"
    raise RepairError(told)


def _given(**values: str | None) -> dict[str, str]:
    """What was given, under the API's names."""
    names = {"since": "from", "before": "to"}
    return {names.get(name, name): value for name, value in values.items() if value is not None}


def _run(work: Callable[[Exchange], None]) -> int:
    try:
        exchange = connect()
        with closing(exchange.http):
            work(exchange)
    except RepairError as error:
        print(error, file=sys.stderr)
        return 1
    except httpx.TransportError as error:
        print(f"the exchange cannot be reached: {error!r}", file=sys.stderr)
        return 1
    return 0


def _show_cause(identifier: str, when: str, where: str, cause: Json) -> None:
    print(f"{identifier}  {when}  {where}\n    {cause['code']} ({cause['blame']}): {cause['title']} / {cause['title_th']}")
    print(f"    {cause['remedy']['en']}\n    {cause['remedy']['th']}")


@deliveries.command(name="list")
def list_deliveries(
    *,
    circular_id: Circular = None,
    sender_agency_id: SenderAgency = None,
    recipient_agency_id: RecipientAgency = None,
    cause: CauseCode = None,
    blame: BlameName = None,
    since: Since = None,
    before: Before = None,
    most: Most = PAGE,
) -> int:
    """Undeliverable letters with cause and remedy, the earliest failure first."""
    query = _given(
        circular_id=circular_id,
        sender_agency_id=sender_agency_id,
        recipient_agency_id=recipient_agency_id,
        cause=cause,
        blame=blame,
        since=since,
        before=before,
    )

    def work(exchange: Exchange) -> None:
        if not exchange.is_operator and sender_agency_id is not None:
            raise RepairError("an agency sees its own letters alone: leave --sender-agency-id out")
        query_there = query if exchange.is_operator else {**query, "state": "undeliverable"}
        items = exchange.all_items(exchange.deliveries, query_there, most)
        for item in items:
            cause = item["cause"] if exchange.is_operator else item["failure"]["cause"]
            when = item.get("failed_at") or f"position {item['position']}"
            _show_cause(item["delivery_id"], when, f"circular {item['circular_id']}", cause)
        print(f"{len(items)} undeliverable")

    return _run(work)


@deliveries.command(name="redrive")
def redrive_deliveries(
    delivery_id: str | None = None,
    *,
    circular_id: Circular = None,
    sender_agency_id: SenderAgency = None,
    recipient_agency_id: RecipientAgency = None,
    cause: CauseCode = None,
    blame: BlameName = None,
    since: Since = None,
    before: Before = None,
    limit: InOneCall = 1000,
    why: Why = "",
) -> int:
    """Set one letter going again, or up to `limit` of those that the conditions find; an operator names an agency or circular."""
    conditions = _given(
        circular_id=circular_id,
        sender_agency_id=sender_agency_id,
        recipient_agency_id=recipient_agency_id,
        cause=cause,
        blame=blame,
        since=since,
        before=before,
    )

    def work(exchange: Exchange) -> None:
        _refuse_both(delivery_id, conditions)
        if delivery_id is not None:
            done = exchange.call("POST", f"{exchange.deliveries}/{delivery_id}/redrive", body={"why": why})
            print(f"{done['delivery_id']}: {done['state']}{'' if done['by_this_call'] else ', set going before'}")
            return
        body = {"filter": conditions, "limit": limit, "why": why}
        done = exchange.call("POST", f"{exchange.deliveries}/redrive", body=body)
        print(f"{done['redriven']} redriven, {done['remaining']} remaining")

    return _run(work)


@dead_letters.command(name="list")
def list_dead_letters(
    *,
    state: State = "kept",
    type: EventType = None,  # noqa: A002 - the name on the command line
    queue: QueueName = None,
    since: Since = None,
    before: Before = None,
    most: Most = PAGE,
) -> int:
    """Dead letters with cause and remedy, the oldest first; nothing of their content."""
    query = {"state": state, **_given(type=type, queue=queue, since=since, before=before)}

    def work(exchange: Exchange) -> None:
        items = exchange.all_items("/v1/repair/dead-letters", query, most)
        for item in items:
            where = f"{item['queue']}  {item['type'] or 'unreadable'}  {item['size']} bytes"
            _show_cause(item["dead_letter_id"], item["first_died_at"], where, item["cause"])
        print(f"{len(items)} {state}")

    return _run(work)


@dead_letters.command(name="redrive")
def redrive_dead_letters(
    dead_letter_id: str | None = None,
    *,
    type: EventType = None,  # noqa: A002 - the name on the command line
    queue: QueueName = None,
    since: Since = None,
    before: Before = None,
    limit: InOneCall = 1000,
    why: Why = "",
) -> int:
    """Publish one dead letter again, or up to `limit` of those that the conditions find, to the queues that they died in."""
    conditions = _given(type=type, queue=queue, since=since, before=before)

    def work(exchange: Exchange) -> None:
        done = _one_or_many(exchange, "redrive", dead_letter_id, conditions, limit, why)
        if dead_letter_id is not None:
            state = "published, and died again: it is kept" if done["state"] == "kept" else done["state"]
            print(f"{done['dead_letter_id']}: {state}")
            return
        print(f"{done['redriven']} redriven, {done['refused']} not taken by the broker, {done['remaining']} remaining")

    return _run(work)


@dead_letters.command(name="discard")
def discard_dead_letters(
    dead_letter_id: str | None = None,
    *,
    type: EventType = None,  # noqa: A002 - the name on the command line
    queue: QueueName = None,
    since: Since = None,
    before: Before = None,
    limit: InOneCall = 1000,
    why: Why,
) -> int:
    """Settle one dead letter that nobody needs, or up to `limit` of those that the conditions find; they stay readable under
    `--state discarded`.
    """
    conditions = _given(type=type, queue=queue, since=since, before=before)

    def work(exchange: Exchange) -> None:
        done = _one_or_many(exchange, "discard", dead_letter_id, conditions, limit, why)
        if dead_letter_id is not None:
            print(f"{done['dead_letter_id']}: {done['state']}")
            return
        print(f"{done['discarded']} discarded, {done['remaining']} remaining")

    return _run(work)


def _one_or_many(
    exchange: Exchange, verb: str, dead_letter_id: str | None, conditions: Mapping[str, str], limit: int, why: str
) -> Json:
    """What came of it for one dead letter, or for those that the conditions find."""
    _refuse_both(dead_letter_id, conditions)
    if dead_letter_id is not None:
        return exchange.call("POST", f"/v1/repair/dead-letters/{dead_letter_id}/{verb}", body={"why": why})
    body = {"filter": conditions, "limit": limit, "why": why}
    return exchange.call("POST", f"/v1/repair/dead-letters/{verb}", body=body)


@limits.command(name="list")
def list_limits(*, most: Most = PAGE) -> int:
    """Agencies with other limits than all."""

    def work(exchange: Exchange) -> None:
        items = exchange.all_items("/v1/repair/limits", {}, most)
        for item in items:
            _show_limits(item)
        print(f"{len(items)} with limits of their own")

    return _run(work)


@limits.command(name="show")
def show_limits(agency_id: str, *, most: Most = PAGE) -> int:
    """The limits of an agency, and who changed them, when and why."""

    def work(exchange: Exchange) -> None:
        _show_limits(exchange.call("GET", f"/v1/repair/limits/{agency_id}"))
        for change in exchange.all_items(f"/v1/repair/limits/{agency_id}/changes", {}, most):
            before, after = (
                f"{change[f'in_flight{when}'] or 'as for all'} in flight, {change[f'per_second{when}'] or 'as for all'} a second"
                for when in ("_before", "")
            )
            print(f"{change['changed_at']}  {change['changed_by']}: {before} -> {after}\n    {change['why']}")

    return _run(work)


@limits.command(name="set")
def set_limits(agency_id: str, *, in_flight: InFlight = None, per_second: PerSecond = None, why: Why) -> int:
    """Set both limits of an agency; one that is left out is as for all agencies."""

    def work(exchange: Exchange) -> None:
        body = {"in_flight": in_flight, "per_second": per_second, "why": why}
        _show_limits(exchange.call("PUT", f"/v1/repair/limits/{agency_id}", body=body))

    return _run(work)


def _show_limits(item: Json) -> None:
    rate = "no limit" if item["holding_per_second"] is None else f"{item['holding_per_second']:g}"
    print(f"{item['agency_id']}  {item['code']}: {item['holding_in_flight']} in flight, {rate} a second")


def _refuse_both(identifier: str | None, conditions: Mapping[str, str]) -> None:
    if identifier is not None and conditions:
        raise RepairError("give one identifier, or conditions, not both")

"""`wian repair` on a running system: an agency's undeliverable letter, and a message that nobody can apply."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence

import httpx
import pytest

from shared.broker import Outgoing, Publisher
from shared.contracts.topology import ACK_EVENTS
from tests.support.eventually import eventually
from tests.support.office import enrol, registered_letter
from tests.support.system import RunningSystem, running_system
from wian.demo.api import Api


@pytest.fixture
async def system(settings_environment: dict[str, str]) -> AsyncGenerator[RunningSystem]:
    # Nobody fetches the letter, and no clerk sends it, within a moment.
    async with running_system(settings_environment, dispatch_step_limits="60,60,0.05,0.05") as running:
        yield running


async def wian(system: RunningSystem, client: Sequence[str], *arguments: str) -> tuple[int, str]:
    """Run `wian repair` as that client; returns its exit status and all that it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "wian",
        "repair",
        *arguments,
        env={
            "WIAN_API_URL": system.url,
            "WIAN_CLIENT_ID": client[0],
            "WIAN_CLIENT_SECRET": client[1],
            "PATH": "",
            "LANG": "C.UTF-8",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert client[1] not in printed.decode(), "a secret is never echoed"
    return process.returncode or 0, printed.decode()


async def test_an_agency_sets_its_letter_going_again_and_sees_that_it_arrived(system: RunningSystem) -> None:
    async with httpx.AsyncClient(base_url=system.url, timeout=10) as http:
        office = await enrol(http, system)
        path = await registered_letter(office)
        sent = await office.sender.post(f"{path}/dispatch", headers={"Idempotency-Key": "once"})
        sender = office.sender._credentials

        async def state() -> str:
            answer = await office.sender.answer("GET", f"/v1/circulars/{sent['circular_id']}/recipients")
            return answer.json()["items"][0]["state"] if answer.is_success else ""

        await eventually(state, lambda found: found == "undeliverable", within=20)
        status, printed = await wian(system, sender, "deliveries", "list", "--cause", "not_sent_on_paper")
        assert status == 0, printed
        assert "not_sent_on_paper (sender)" in printed
        assert "สั่งส่งใหม่" in printed
        assert printed.endswith("1 undeliverable\n")
        status, printed = await wian(system, office.stranger._credentials, "deliveries", "redrive", "--blame", "sender")
        assert (status, printed) == (0, "0 redriven, 0 remaining\n"), "another agency's letter is not touched"
        status, printed = await wian(system, sender, "deliveries", "redrive", "--blame", "sender", "--why", "โทรแจ้งแล้ว")
        assert (status, printed.partition(",")[0]) == (0, "1 redriven")
        status, printed = await wian(system, sender, "deliveries", "redrive")
        assert status == 1
        assert "name at least one condition" in printed
        (item,) = (await office.receiver.get("/v1/inbox"))["items"]
        await office.receiver.get(f"/v1/inbox/{item['delivery_id']}")
        await eventually(state, lambda found: found == "handed_over", within=20)
        status, printed = await wian(system, system.operator, "deliveries", "list")
        assert (status, printed) == (0, "0 undeliverable\n")


async def test_an_operator_sees_a_dead_letter_tries_it_again_and_discards_it(
    system: RunningSystem, amqp_url: str, broker_namespace: str
) -> None:
    async def published(*bodies: bytes) -> None:
        publisher = Publisher(amqp_url, broker_namespace, timeout=5)
        messages = [Outgoing(None, ACK_EVENTS, "nobody-can-read-this", body) for body in bodies]
        assert await publisher.publish(messages) == [None] * len(messages)
        await publisher.close()

    await published(b"{")

    async def listed() -> str:
        return (await wian(system, system.operator, "dead-letters", "list"))[1]

    printed = await eventually(listed, lambda text: text.endswith("1 kept\n"), within=20)
    assert "message_unreadable (platform)" in printed
    identifier = printed.split()[0]
    # It cannot be read the second time either, and may have died before the redrive was settled.
    tried = await wian(system, system.operator, "dead-letters", "redrive", identifier)
    assert tried in ((0, f"{identifier}: redriven\n"), (0, f"{identifier}: published, and died again: it is kept\n"))
    await eventually(listed, lambda text: text.endswith("1 kept\n"), within=20)
    discarded = await wian(system, system.operator, "dead-letters", "discard", identifier, "--why", "a test")
    assert discarded == (0, f"{identifier}: discarded\n")
    assert await listed() == "0 kept\n"

    await published(b"[", b"]")
    await eventually(listed, lambda text: text.endswith("2 kept\n"), within=20)
    many = ("dead-letters", "discard", "--queue", ACK_EVENTS, "--why", "a test")
    status, told = await wian(system, system.operator, *many[:2], "--why", "a test")
    assert (status, "name at least one condition" in told) == (1, True)
    assert await wian(system, system.operator, *many) == (0, "2 discarded, 0 remaining\n")
    assert await wian(system, system.operator, *many) == (0, "0 discarded, 0 remaining\n")


async def test_an_operator_sets_the_limits_of_an_agency_and_sees_who_did(system: RunningSystem) -> None:
    async with httpx.AsyncClient(base_url=system.url, timeout=10) as http:
        await enrol(http, system)
        operator = Api(http, *system.operator, patience=10)
        agency_id = (await operator.get("/v1/agencies?code=receiver"))["items"][0]["agency_id"]

    async def known() -> int:
        return (await wian(system, system.operator, "limits", "show", agency_id))[0]

    await eventually(known, lambda status: status == 0, within=20)
    given = ("limits", "set", agency_id, "--in-flight", "4", "--per-second", "2.5")
    line = f"{agency_id}  receiver: 4 in flight, 2.5 a second\n"
    assert await wian(system, system.operator, *given, "--why", "ระบบช้า") == (0, line)
    assert await wian(system, system.operator, "limits", "list") == (0, f"{line}1 with limits of their own\n")
    status, shown = await wian(system, system.operator, "limits", "show", agency_id)
    assert (status, shown.startswith(line)) == (0, True)
    assert f"{system.operator[0]}: as for all in flight, as for all a second -> 4 in flight, 2.5 a second\n    ระบบช้า\n" in shown
    status, refused = await wian(system, system.operator, "limits", "set", agency_id, "--in-flight", "0", "--why", "x")
    assert (status, "/in_flight" in refused) == (1, True)

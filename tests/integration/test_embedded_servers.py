"""The embedded servers: they keep their data through a crash, do not disturb each other, and never outlive their owner."""

import asyncio
import fcntl
import json
import os
import re
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aio_pika
import asyncpg
import pytest

from tests.support.eventually import eventually
from tests.support.quorum import until_on_disk
from wian.embedded import EmbeddedPostgres, EmbeddedRabbitMQ, ServerAddresses, ServerUnavailable, servers
from wian.embedded.chroot import ROOT_VARIABLE
from wian.embedded.folders import default_home, run_folder

CHECKOUT = Path(__file__).resolve().parents[2]
START_SECONDS = 90.0


@pytest.fixture(autouse=True)
def no_server_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WIAN_POSTGRES_DSN", raising=False)
    monkeypatch.delenv("WIAN_AMQP_URL", raising=False)


@asynccontextmanager
async def embedded_command(**environment: str) -> AsyncGenerator[tuple[asyncio.subprocess.Process, ServerAddresses]]:
    """`python -m wian.embedded`, ready; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wian.embedded"), cwd=CHECKOUT, env=os.environ | environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
        yield process, ServerAddresses(**json.loads(line))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def run_folder_of(process: asyncio.subprocess.Process) -> Path:
    (found,) = (default_home() / "run").glob(f"{process.pid}-*")
    return found


def descendants(process: int) -> set[int]:
    try:
        children = {int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()}
    except (FileNotFoundError, ProcessLookupError):
        return set()  # it ended since it was listed
    return children.union(*(descendants(child) for child in children))


def is_alive(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


async def alive(processes: set[int]) -> set[int]:
    return set(filter(is_alive, processes))


def nobody_holds(lock: Path) -> bool:
    with lock.open("w") as taken:
        try:
            fcntl.flock(taken, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


async def write_row(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE kept (word text)")
    await connection.execute("INSERT INTO kept VALUES ('เวียน')")
    await connection.close()


async def read_row(dsn: str) -> str:
    connection = await asyncpg.connect(dsn)
    word = await connection.fetchval("SELECT word FROM kept")
    await connection.close()
    return word


async def declare_quorum_queue(channel: aio_pika.abc.AbstractChannel) -> aio_pika.abc.AbstractQueue:
    return await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})


async def publish(url: str) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        await declare_quorum_queue(channel)
        message = aio_pika.Message(b"kept", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, "kept", timeout=10)


async def consume(url: str) -> bytes:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await declare_quorum_queue(channel)
        # A quorum queue elects its leader just after the node is up, and answers then.
        message = await eventually(lambda: queue.get(fail=False, timeout=30), lambda found: found is not None, within=30)
        assert message is not None
        return message.body


async def restarts_of_postgres_keep_data(postgres: EmbeddedPostgres) -> None:
    address = postgres.dsn
    await write_row(address)
    await postgres.kill()
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncpg.connect(address)
    await postgres.start()
    assert postgres.dsn == address
    assert await read_row(address) == "เวียน"
    await postgres.stop()
    await postgres.start()
    assert await read_row(address) == "เวียน"


async def a_restart_of_rabbitmq_keeps_messages(rabbitmq: EmbeddedRabbitMQ) -> None:
    address = rabbitmq.url
    await publish(address)
    await until_on_disk("kept")
    await rabbitmq.kill()
    await rabbitmq.start()
    assert rabbitmq.url == address
    assert await consume(address) == b"kept"


async def strangers_are_refused(addresses: ServerAddresses) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(re.sub(r"wian:\w+@", "wian:wrong@", addresses.postgres_dsn))
    with pytest.raises(aio_pika.exceptions.ProbableAuthenticationError):
        await aio_pika.connect(re.sub(r"wian:\w+@", "guest:guest@", addresses.amqp_url))


async def test_strangers_are_refused_and_data_survives_a_kill_and_a_restart_on_the_same_address() -> None:
    async with servers() as running:
        assert running.postgres is not None
        assert running.rabbitmq is not None
        assert running.addresses == ServerAddresses(running.postgres.dsn, running.rabbitmq.url)
        await strangers_are_refused(running.addresses)
        await asyncio.gather(
            restarts_of_postgres_keep_data(running.postgres),
            a_restart_of_rabbitmq_keeps_messages(running.rabbitmq),
        )


async def test_two_owners_run_side_by_side_and_neither_leaves_anything_when_stopped_or_killed() -> None:
    async with embedded_command() as (first, at_first), embedded_command() as (second, at_second):
        await write_row(at_first.postgres_dsn)
        await write_row(at_second.postgres_dsn)
        await asyncio.gather(publish(at_first.amqp_url), publish(at_second.amqp_url))

        folder, owned = run_folder_of(first), descendants(first.pid)
        assert len(owned) >= 3, "PostgreSQL, RabbitMQ and the port mapper"
        first.terminate()
        assert await asyncio.wait_for(first.wait(), 30) == 0
        # A port program of Erlang ends by itself when its node is gone, a moment later.
        await eventually(lambda: alive(owned), lambda left: left == set())
        assert not folder.exists()

        assert await read_row(at_second.postgres_dsn) == "เวียน", "the other is undisturbed"
        folder, owned = run_folder_of(second), descendants(second.pid)
        second.kill()
        await second.wait()
        await eventually(lambda: alive(owned), lambda left: left == set())
        assert nobody_holds(folder / "lock"), "so the next run may remove the folder"

    async with run_folder(default_home()):
        assert not folder.exists(), "and it does"


async def test_servers_that_the_environment_names_are_used_and_nothing_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIAN_POSTGRES_DSN", "postgresql://given")
    monkeypatch.setenv("WIAN_AMQP_URL", "amqp://given")
    async with servers(home=tmp_path / "home") as running:
        assert running.addresses == ServerAddresses("postgresql://given", "amqp://given")
        assert (running.postgres, running.rabbitmq) == (None, None)
    assert not (tmp_path / "home").exists()


async def test_without_apt_one_sentence_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    with pytest.raises(ServerUnavailable) as refused:
        async with servers(home=tmp_path):
            pass
    assert str(refused.value) == (
        "RabbitMQ is fetched with Debian's apt-get, which is not on the PATH: "
        "set WIAN_AMQP_URL to the address of a RabbitMQ server, version 3.10 or later."
    )


async def test_an_interrupt_while_starting_leaves_nothing() -> None:
    process = await asyncio.create_subprocess_exec(*(sys.executable, "-m", "wian.embedded"), cwd=CHECKOUT)

    async def started() -> set[int]:
        return descendants(process.pid)

    try:
        owned = await eventually(started, lambda found: len(found) >= 2, within=START_SECONDS)
        folder = run_folder_of(process)
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 30) == 130
        await eventually(lambda: alive(owned), lambda left: left == set())
        assert not folder.exists()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_root_without_rabbitmq_is_refused_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    with pytest.raises(ServerUnavailable, match="no RabbitMQ is installed there"):
        async with servers(home=tmp_path):
            pass

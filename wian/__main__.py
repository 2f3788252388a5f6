"""The command line: `wian --help` lists what there is."""

import asyncio
import secrets
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from wian import repair
from wian.embedded.errors import EmbeddedServerError

INTERRUPTED: Final = 130

app = App(name="wian", help="Wian (เวียน): official circulars go round, and the sender knows who has received them.")
app.command(repair.app)


@app.command
def demo() -> int:
    """Play the real letter's story on a system of its own, then stop it."""
    from wian.demo.run import demo as run_demo

    return _run_until_interrupted(run_demo(stay=False))


@app.command
def up() -> int:
    """Play the story and leave the system running, with its data, until Ctrl-C."""
    from wian.demo.run import demo as run_demo

    return _run_until_interrupted(run_demo(stay=True))


@app.command
def bench(*names: str) -> int:
    """Measure, beside bare loops in the same run; writes build/bench.json.

    Parameters
    ----------
    names
        Which benchmarks: fanout, express, neighbours, backlog, search; none: all of them.
    """
    from wian.bench.run import bench as run_bench

    return _run_until_interrupted(run_bench(names))


@app.command
def chaos(*, rounds: int = 100, seed: int | None = None, recipients: int = 300) -> int:
    """Kill worker, scheduler, relay, broker and database while circulars go round; the last line is the verdict, as JSON.

    Parameters
    ----------
    rounds
        How many circulars, each with one or two kills.
    seed
        Of the dice that choose what is killed and when; none: another each time. The verdict names it.
    recipients
        Of each circular.
    """
    from wian.chaos.run import chaos as run_chaos

    return _run_until_interrupted(run_chaos(rounds, secrets.randbelow(1_000_000) if seed is None else seed, recipients))


@app.command
def serve(*, dispatch_worker: bool = True) -> None:
    """Run the three services in one process, with settings from the environment.

    Parameters
    ----------
    dispatch_worker
        Send the deliveries in this process too; --no-dispatch-worker leaves them to ``python -m services.dispatch worker``.
    """
    from shared.runtime import run
    from wian.all_in_one import serve as run_services

    run(run_services(dispatch_worker=dispatch_worker))


@app.command
def migrate() -> None:
    """Bring the schemas of all three services up to date."""
    from shared import logs
    from wian.all_in_one import REGISTRY, migrate_all

    settings = REGISTRY.settings.from_environment()
    logs.configure("migrate", settings.log_level)
    asyncio.run(migrate_all(settings.postgres_dsn.get_secret_value()))


@app.command
def docs() -> None:
    """Write the reference pages under docs/ from the code."""
    from shared import logs
    from wian.reference import write

    logs.configure("docs", "warning")
    asyncio.run(write())


@app.command
def operator() -> None:
    """Make a client for the operator of the exchange and print its id and secret, once."""
    from services.registry.operator import bootstrap_operator
    from shared import postgres
    from wian.all_in_one import REGISTRY

    settings = REGISTRY.settings.from_environment()

    async def make() -> tuple[str, str]:
        dsn = settings.postgres_dsn.get_secret_value()
        async with postgres.open_database(dsn, service="registry", pool_size=2) as database:
            return await bootstrap_operator(database)

    client_id, secret = asyncio.run(make())
    print(f"client_id={client_id}\nclient_secret={secret}")


@app.command
def simulator(
    *,
    host: str = "127.0.0.1",
    port: int = 8088,
    tls: bool = True,
    secret: Annotated[list[str] | None, Parameter(env_var="WIAN_SIMULATOR_SECRET", negative="")] = None,
    list_: Annotated[bool, Parameter(name="--list", negative="")] = False,
) -> int:
    """Run recipients that behave well and badly, by name: /ok, /slow, /down, /reject and others.

    Parameters
    ----------
    host
        Address to listen on. Whoever reaches it can read what was received.
    port
        Port to listen on; the other ports are free ones, printed at the start.
    tls
        Open a port with a wrong certificate too.
    secret
        Check signatures with this secret (``whsec_...``); several may be given. Better given by WIAN_SIMULATOR_SECRET.
    list_
        Print what there is, and end.
    """
    from wian.simulator.catalogue import listing
    from wian.simulator.process import serve

    if list_:
        print(listing())
        return 0
    return _run_until_interrupted(serve(host=host, port=port, tls_port=0 if tls else None, secrets=secret or ()))


@app.command
def conformance(
    url: str,
    *,
    secret: Annotated[str, Parameter(env_var="WIAN_CONFORMANCE_SECRET")],
    timeout: float = 15.0,
    ca_file: Path | None = None,
    json: bool = False,
) -> int:
    """Play the exchange towards an agency's endpoint and print what it must mend; ends with 0 when nothing fails.

    The letters are trials that need no acknowledgment, but the endpoint cannot know: use one that does not feed a real register.

    Parameters
    ----------
    url
        The endpoint; one on your own machine will do.
    secret
        Its signing secret (``whsec_...``). Better given by WIAN_CONFORMANCE_SECRET.
    timeout
        Seconds to wait for each answer.
    ca_file
        Certificates (PEM) of an authority to trust beside the system's.
    json
        Print the report as JSON.
    """
    from wian.conformance.command import check

    return _run_until_interrupted(check(url, secret=secret, patience=timeout, ca_file=ca_file, json=json))


@app.command
def reseal() -> int:
    """Encrypt webhook secrets and keys anew with the first key of WIAN_DISPATCH_SECRET_KEY; then the others can go."""
    from services.dispatch.config import DispatchSettings
    from services.dispatch.resealing import Resealed
    from services.dispatch.resealing import reseal as seal_anew
    from services.dispatch.vault import Vault
    from shared import logs, postgres

    settings = DispatchSettings.from_environment()
    logs.configure("reseal", settings.log_level)

    async def work() -> Resealed:
        dsn = settings.postgres_dsn.get_secret_value()
        async with postgres.open_database(dsn, service="dispatch", pool_size=2) as database:
            return await seal_anew(database, Vault(settings.secret_keys))

    done = asyncio.run(work())
    print(f"endpoints={done.endpoints} sealed_anew={done.changed} lost={done.lost}")
    return 1 if done.lost else 0


@app.command
def verify(
    file: Path,
    *,
    jwks: Path | None = None,
    letter: Path | None = None,
    expect_content_hash: str | None = None,
    checkpoint: Path | None = None,
    tsa_roots: Path | None = None,
    signature: Path | None = None,
) -> int:
    """Check exported receipts or a signed annex offline: 0 when they are right, 1 when a byte is wrong (which one is told), 2 when unreadable.

    Parameters
    ----------
    file
        What ``/v1/circulars/{id}/evidence`` or ``/v1/recipients/{id}/receipts`` gave, or some of its lines; or what
        ``/v1/circulars/{id}/annex.{form}/signed`` gave, or the annex out of it together with ``--signature``.
    jwks
        The published keys (``/v1/evidence/jwks.json``), saved; without it the keys in the file are taken.
    letter
        The letter's frozen bytes (``/v1/letters/{id}/content``): the receipts must be of them.
    expect_content_hash
        Their SHA-256 in place of the bytes.
    checkpoint
        What ``/v1/circulars/{id}/checkpoint`` gave: the chain must be the one that it covers.
    tsa_roots
        Root certificates (PEM) of the time-stamping authority: the checkpoint must bear its time-stamp.
    signature
        The annex's signature (``annex-….signature.json``): the file must be the annex of which it was made.
    """
    from wian.checking import check_file

    return check_file(file, jwks, letter, expect_content_hash, checkpoint, tsa_roots, signature)


def _run_until_interrupted(work: Coroutine[Any, Any, int]) -> int:
    """Run `work`; SIGINT and SIGTERM cancel it, so that whatever it started is stopped in order."""

    async def cancellable() -> int:
        task = asyncio.ensure_future(work)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        return await task

    with suppress(asyncio.CancelledError):
        try:
            return asyncio.run(cancellable())
        except EmbeddedServerError as error:
            print(error, file=sys.stderr)
            return 1
    return INTERRUPTED


def main() -> None:
    """Entry point of the ``wian`` script."""
    sys.exit(app())


if __name__ == "__main__":
    main()

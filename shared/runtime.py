"""Runs all workers of a process under one TaskGroup: SIGTERM asks, the grace period cancels, any failure ends it."""

import asyncio
import contextlib
import faulthandler
import gc
import signal
import sys
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any, Final, Protocol

import structlog
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

GC_THRESHOLD: Final = 20_000

log = structlog.stdlib.get_logger(__name__)


class Worker(Protocol):
    """Something that runs until it is asked to stop."""

    @property
    def name(self) -> str: ...

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish what is in hand and return."""
        ...


class Probe(Protocol):
    """One condition of readiness."""

    @property
    def name(self) -> str: ...

    async def problem(self) -> str | None:
        """None when all is well, otherwise one sentence that says what is not."""
        ...


class HttpServer:
    """An ASGI application served until the process is asked to stop; `port` is known once `started` is set.

    Requests find the event `stopping` in their state, so that one that waits for something ends when the process does.
    """

    name = "http"

    def __init__(self, app: ASGIApp, *, host: str, port: int, grace: float = 5.0) -> None:
        self._stopping = asyncio.Event()

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("state", {})["stopping"] = self._stopping
            await app(scope, receive, send)

        config = uvicorn.Config(
            serve,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=int(grace),
        )
        self._server = _QuietServer(config)
        self.started = asyncio.Event()
        self.port = port

    async def run(self, stop: asyncio.Event) -> None:
        serving = asyncio.create_task(self._server.serve())
        stopping = asyncio.create_task(stop.wait())
        try:
            while not self._server.started and not serving.done():
                await asyncio.sleep(0.01)
            if self._server.started:
                self.port = self._server.servers[0].sockets[0].getsockname()[1]
                self.started.set()
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stopping.set()
            self._server.should_exit = True
            stopping.cancel()
            await serving
        if not stop.is_set():
            raise RuntimeError("the HTTP server ended by itself")


class _QuietServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        # Signals belong to the process, not to one of its workers.
        yield


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a process's `main`, on uvloop where there is one: half as much again of everything that waits for the network."""
    # What was imported stays; the collector need not look at it again, nor after each 700 of the objects that requests leave.
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    allow_open_files()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main)


def allow_open_files() -> None:
    """Raise the number of open files to what the system lets this process have: each waiting page is a socket."""
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop


async def pause(seconds: float, stop: asyncio.Event) -> None:
    """Wait for `seconds`, or less when asked to stop."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def insist_on_exit(seconds: float) -> None:
    """From now on the process has `seconds` to close what it has opened; then it ends by force, and says where it hung."""
    faulthandler.dump_traceback_later(seconds, exit=True)


async def run_workers(workers: Sequence[Worker], stop: asyncio.Event, *, grace: float) -> None:
    """Run `workers` until `stop` is set; one that fails ends all, and its exception is raised.

    After `stop`, workers have `grace` seconds to finish; then they are cancelled.
    """
    tasks: list[asyncio.Task[None]] = []
    async with asyncio.TaskGroup() as group:
        tasks.extend(group.create_task(worker.run(stop), name=worker.name) for worker in workers)
        log.info("started", workers=[worker.name for worker in workers])
        stopping = group.create_task(stop.wait())
        await stopping
        log.info("stopping", grace=grace)
        _, unfinished = await asyncio.wait(tasks, timeout=grace)
        for task in unfinished:
            log.warning("worker cancelled: the grace period is over", worker=task.get_name())
            task.cancel()
    log.info("stopped")

"""Child processes that never outlive this one, with everything that they start in turn."""

import asyncio
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wian.embedded.errors import CommandFailed, EmbeddedServerError, ServerDidNotStart
from wian.embedded.folders import POLL_SECONDS

# Below the range that Linux takes for outgoing connections, so that none of those can hold our port when a server restarts.
PORTS: Final = range(12_000, 32_000)
_KILL_SECONDS: Final = 10.0
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Account:
    """The user and group that a process runs as, when not as we do."""

    uid: int
    gid: int


def free_ports(count: int) -> list[int]:
    """Ports on the loopback interface that nobody listens on now."""
    found: list[int] = []
    while len(found) < count:
        port = random.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            # A port that is taken raises here, and another is drawn.
            probe.bind(("127.0.0.1", port))
            if port not in found:
                found.append(port)
    return found


async def accepts_connections(port: int) -> bool:
    """Whether somebody listens on a loopback port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


def _die_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """What a child runs before exec, so that the kernel ends it when we are gone, even by SIGKILL."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:
            os._exit(1)  # we died between fork and prctl

    return arrange


class OwnedProcess:
    """A server's process in a session of its own: Ctrl-C at the terminal reaches us, and we end it in order."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        log: Path,
        held: Sequence[int],
        death_signal: signal.Signals,
        account: Account | None = None,
    ) -> None:
        # Every process of the tree inherits the write end: end of file on ours means that all of them are gone.
        self._alive, write_end = os.pipe()
        os.set_blocking(self._alive, False)
        try:
            with log.open("ab") as output:
                self._leader = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    env=environment,
                    pass_fds=[write_end, *held],
                    start_new_session=True,
                    preexec_fn=_die_with_parent(death_signal),
                    user=account.uid if account else None,
                    group=account.gid if account else None,
                    extra_groups=[] if account else None,
                )
        except BaseException:
            os.close(self._alive)
            raise
        finally:
            os.close(write_end)

    def running(self) -> bool:
        return self._leader.poll() is None

    def cpu_seconds(self) -> float:
        """User and system time of the whole tree so far, without children that have ended and were not waited for."""
        return sum(_cpu_seconds(process) for process in [self._leader.pid, *_descendants(self._leader.pid)])

    def resident_bytes(self) -> int:
        """Memory of the leader that is in RAM."""
        return int(Path(f"/proc/{self._leader.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def peak_bytes(self) -> int:
        """The most memory of the leader that ever was in RAM."""
        lines = Path(f"/proc/{self._leader.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

    @property
    def status(self) -> int | None:
        return self._leader.poll()

    async def end(self, ask: signal.Signals, patience_seconds: float) -> None:
        """Ask the leader to stop; after `patience_seconds`, insist. Returns when the whole tree is gone."""
        if self.running():
            self._leader.send_signal(ask)
        if not await self._gone(patience_seconds):
            await self.kill()

    def freeze(self) -> None:
        """SIGSTOP for the leader: what it holds can be looked at before it is killed."""
        if self.running():
            self._leader.send_signal(signal.SIGSTOP)

    async def kill(self) -> None:
        """SIGKILL for the whole tree. Returns when it is gone."""
        for process in [self._leader.pid, *_descendants(self._leader.pid)] if self.running() else []:
            with suppress(ProcessLookupError):  # ended since it was listed
                os.kill(process, signal.SIGKILL)
        if not await self._gone(_KILL_SECONDS):
            raise EmbeddedServerError(f"Process {self._leader.pid} has left children that do not end.")

    async def _gone(self, patience_seconds: float) -> bool:
        deadline = time.monotonic() + patience_seconds
        while self.running() or not self._ended():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_SECONDS / 5)
        return True

    def _ended(self) -> bool:
        if self._alive < 0:
            return True
        try:
            os.read(self._alive, 1)
        except BlockingIOError:
            return False
        os.close(self._alive)
        self._alive = -1
        return True


def _cpu_seconds(process: int) -> float:
    """`utime` to `cstime` of proc(5)'s stat: of the process, and of its children that it has waited for."""
    with suppress(FileNotFoundError, ProcessLookupError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _descendants(process: int) -> list[int]:
    """The children of a process and theirs; empty where the system does not tell, and there the leader's end must do."""
    with suppress(FileNotFoundError, ProcessLookupError):
        children = [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
        return children + [below for child in children for below in _descendants(child)]
    return []


async def until_ready(
    server: str, process: OwnedProcess, log: Path, answers: Callable[[], Awaitable[bool]], patience_seconds: float
) -> None:
    """Ask again and again until the server answers; raise as soon as it has ended, or when patience has."""
    deadline = time.monotonic() + patience_seconds
    while not await answers():
        if not process.running():
            raise ServerDidNotStart(server, f"it ended with status {process.status}", log)
        if time.monotonic() > deadline:
            raise ServerDidNotStart(server, f"it gave no answer within {patience_seconds:.0f} s", log)
        await asyncio.sleep(POLL_SECONDS)


async def run_command(
    command: Sequence[str], *, environment: Mapping[str, str] | None = None, account: Account | None = None
) -> str:
    """Run a command to its end and return what it printed, errors included."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=environment,
        preexec_fn=_die_with_parent(signal.SIGTERM),
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):  # it has just ended by itself
            process.terminate()
        await process.wait()
        raise
    text = output.decode(errors="replace")
    if process.returncode:
        raise CommandFailed(command, process.returncode, text)
    return text

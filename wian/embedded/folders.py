"""Where the embedded servers live on disk: a cache that runs share, and a private folder for each run."""

import asyncio
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wian.embedded.errors import ServerUnavailable

POLL_SECONDS: Final = 0.05
KEEP_LOGS_SECONDS: Final = 24 * 3600

_LOCK_FILE: Final = "lock"
_LOGS: Final = "logs"
_KEPT_MARK: Final = "kept"


def default_home() -> Path:
    """`$WIAN_HOME`, or the checkout's own private folder."""
    given = os.environ.get("WIAN_HOME")
    return Path(given).absolute() if given else Path(__file__).resolve().parents[2] / ".wian"


def open_to_everyone(path: Path) -> bool:
    """Whether a process of any user may reach `path`: every folder on the way lets others through."""
    return all(folder.stat().st_mode & 0o001 for folder in [path, *path.resolve().parents])


@asynccontextmanager
async def locked(lock_file: Path) -> AsyncGenerator[int, None]:
    """Hold an exclusive lock between processes; it falls when its last holder ends, however that ends.

    Yields the descriptor. A child that inherits it holds the lock too.
    """
    descriptor = os.open(lock_file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        while not _take(descriptor):
            await asyncio.sleep(POLL_SECONDS)
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's private folder.

    The servers inherit `lock`, so the folder counts as in use until the last of their processes is gone.
    """

    path: Path
    lock: int

    @property
    def logs(self) -> Path:
        return self.path / _LOGS


@asynccontextmanager
async def run_folder(home: Path) -> AsyncGenerator[RunFolder, None]:
    """A private folder for one run, removed at the end; after an error its logs stay for a day."""
    runs = home / "run"
    try:
        runs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ServerUnavailable(
            f"The folder {runs} cannot be made ({error.strerror}): set WIAN_HOME to a folder that can be written."
        ) from error
    # PostgreSQL runs as another user when we are root, and must be able to pass through.
    mode = 0o711 if os.geteuid() == 0 else 0o700
    async with locked(runs / _LOCK_FILE):
        _sweep(runs)
        path = runs / f"{os.getpid()}-{secrets.token_hex(3)}"
        path.mkdir(mode=mode)
        path.chmod(mode)
        (path / _LOGS).mkdir(mode=0o700)
        descriptor = os.open(path / _LOCK_FILE, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        _take(descriptor)
    try:
        yield RunFolder(path, descriptor)
    except Exception as error:
        (path / _KEPT_MARK).touch()
        _remove(path, keep_logs=True)
        error.add_note(f"The logs of PostgreSQL and RabbitMQ are kept for a day in {path / _LOGS}")
        raise
    except BaseException:
        _remove(path)
        raise
    else:
        _remove(path)
    finally:
        os.close(descriptor)


def _sweep(runs: Path) -> None:
    """Remove what runs that were killed have left behind, and logs kept long enough."""
    for path in runs.iterdir():
        if not path.is_dir() or _in_use(path):
            continue
        kept = path / _KEPT_MARK
        if not kept.exists() or kept.stat().st_mtime < time.time() - KEEP_LOGS_SECONDS:
            _remove(path)


def _in_use(path: Path) -> bool:
    try:
        descriptor = os.open(path / _LOCK_FILE, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _take(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path, *, keep_logs: bool = False) -> None:
    for entry in path.iterdir():
        if entry.is_symlink() and entry.is_dir():
            # Data that had to live elsewhere; see EmbeddedPostgres.
            shutil.rmtree(entry.resolve())
            entry.unlink()
        elif entry.is_dir() and not (keep_logs and entry.name == _LOGS):
            shutil.rmtree(entry)
    if not keep_logs:
        shutil.rmtree(path)

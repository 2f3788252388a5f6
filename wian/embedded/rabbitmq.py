"""A private RabbitMQ, run from Debian's packages unpacked into a folder."""

import secrets
import signal
from pathlib import Path
from typing import Final

import aio_pika

from wian.embedded.chroot import Installation, installed_rabbitmq
from wian.embedded.errors import EmbeddedServerError
from wian.embedded.folders import RunFolder
from wian.embedded.processes import OwnedProcess, accepts_connections, free_ports, until_ready

START_SECONDS: Final = 90.0
STOP_SECONDS: Final = 30.0

_USER: Final = "wian"


class EmbeddedRabbitMQ:
    """One RabbitMQ node on the loopback interface, with its own Erlang port mapper and one administrator, `wian`."""

    def __init__(self, run: RunFolder, home: Path) -> None:
        self._port, self._mapper_port, self._distribution_port = free_ports(3)
        self._password = secrets.token_hex(16)
        self._run = run
        self._home = home
        self._folder = run.path / "rabbitmq"
        self._log = run.logs / "rabbitmq.log"
        self._node: OwnedProcess | None = None
        self._mapper: OwnedProcess | None = None

    @property
    def url(self) -> str:
        return f"amqp://{_USER}:{self._password}@127.0.0.1:{self._port}/"

    async def start(self) -> None:
        """Start, on the same port and data as before, and return when a connection succeeds."""
        if self._node is not None:
            raise EmbeddedServerError("RabbitMQ is running already.")
        installed = await installed_rabbitmq(self._home)
        if not self._folder.exists():
            self._configure()
        # Erlang would start a port mapper of its own that stays for ever; this one is ours to end.
        self._mapper = self._spawn(installed, "usr/lib/erlang/erts-*/bin/epmd", self._run.logs / "epmd.log")
        try:
            self._node = self._spawn(installed, "usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server", self._log)
            await until_ready("RabbitMQ", self._node, self._log, self._answers, START_SECONDS)
        except BaseException:
            await self.kill()
            raise

    async def stop(self) -> None:
        """Close connections, write what is held in memory and end."""
        node, self._node = self._node, None
        if node is not None:
            await node.end(signal.SIGTERM, STOP_SECONDS)
        await self._end_mapper()

    def cpu_seconds(self) -> float:
        """CPU time of the server's processes so far."""
        return 0.0 if self._node is None else self._node.cpu_seconds()

    async def kill(self) -> None:
        """SIGKILL, as a crash would be; `start` recovers what was durable."""
        node, self._node = self._node, None
        if node is not None:
            await node.kill()
        await self._end_mapper()

    def has_on_disk(self, queue: str) -> bool:
        """Whether a kill spares this quorum queue: RabbitMQ 3.10 writes their register half a second late.

        A queue whose declaration is lost to a kill in that time comes back without a leader, and never answers.
        """
        registers = self._folder.glob("data/*/quorum/*/names.dets")
        return any(f"%2F_{queue}".encode() in register.read_bytes() for register in registers)

    async def _end_mapper(self) -> None:
        mapper, self._mapper = self._mapper, None
        if mapper is not None:
            await mapper.kill()

    def _spawn(self, installed: Installation, program: str, log: Path) -> OwnedProcess:
        return OwnedProcess(
            installed.command(installed.find(program), self._run.path.parent),
            environment=self._environment(installed),
            folder=self._folder,
            log=log,
            held=[self._run.lock],
            death_signal=signal.SIGKILL,
        )

    def _configure(self) -> None:
        self._folder.mkdir(mode=0o700)
        (self._folder / "conf.d").mkdir()
        (self._folder / "enabled_plugins").write_text("[].\n")
        cookie = self._folder / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)
        # A default user of our own means that the well-known guest is never made.
        (self._folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self._port}\n"
            f"default_user = {_USER}\n"
            f"default_pass = {self._password}\n"
            "default_user_tags.administrator = true\n"
            "vm_memory_high_watermark.absolute = 1GiB\n"
            "disk_free_limit.absolute = 100MB\n"
            "raft.wal_max_size_bytes = 67108864\n"  # held in memory as well; the default is half of the watermark
        )

    def _environment(self, installed: Installation) -> dict[str, str]:
        # Nothing of the caller's but PATH: RABBITMQ_* and ERL_* variables would change what is started.
        folder = self._folder
        return {
            **installed.paths(),
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_CRASH_DUMP": str(self._run.logs / "erl_crash.dump"),
            "RABBITMQ_NODENAME": "wian@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._run.logs),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_CONFIG_FILES": str(folder / "conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_SCHEMA_DIR": str(folder / "schema"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            # Makes the script turn into the server instead of waiting for it: the process we hold is the server.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    async def _answers(self) -> bool:
        if not await accepts_connections(self._port):  # aio-pika would log every refusal as an error
            return False
        try:
            connection = await aio_pika.connect(self.url, timeout=5)
        except (OSError, TimeoutError, aio_pika.exceptions.AMQPError):
            return False
        await connection.close()
        return True

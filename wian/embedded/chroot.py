"""RabbitMQ of Debian's next release in a folder of its own, entered by chroot: how the tests run on RabbitMQ 4.

``python -m wian.embedded rabbitmq4`` makes the folder when it is not there and prints its path, which then goes into
`WIAN_EMBEDDED_RABBITMQ_ROOT`. Needs root, for debootstrap and for chroot.
"""

import asyncio
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wian.embedded.debian import unpacked_rabbitmq
from wian.embedded.errors import CommandFailed, ServerUnavailable
from wian.embedded.folders import locked
from wian.embedded.processes import run_command

ROOT_VARIABLE: Final = "WIAN_EMBEDDED_RABBITMQ_ROOT"
RELEASE: Final = "trixie"

_TOOLS: Final = ("apt-get", "dpkg-deb", "wget", "unshare", "mount", "chroot")
_FETCH_SECONDS: Final = 900.0
_SERVER: Final = "usr/lib/rabbitmq/lib/rabbitmq_server-*"
_LIVING_PATH: Final = "/usr/lib/erlang/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# In a mount namespace of its own, so that the mounts are gone with the process, however it ends. $1 is the root, $2 the folder
# of runs, which has the same name inside.
_ENTER: Final = """
set -e
mkdir -p "$1$2"
mount --bind "$2" "$1$2"
mount --rbind /dev "$1/dev"
mount -t proc proc "$1/proc"
root=$1
shift 2
exec chroot "$root" "$@"
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where RabbitMQ's files are: in a tree from which programs run as they are, or in a root that must be entered."""

    tree: Path
    entered: bool

    def find(self, pattern: str) -> Path:
        """The only path in the tree that matches: the pattern stands for a version."""
        (found,) = self.tree.glob(pattern)
        return found

    def command(self, program: Path, runs: Path) -> list[str]:
        """How `program` is started; of the files outside it sees the folder `runs`, if nothing else."""
        if not self.entered:
            return [str(program)]
        inside = "/" / program.relative_to(self.tree)
        enter = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER, "enter"]
        return [*enter, str(self.tree), str(runs), str(inside)]

    def paths(self) -> Mapping[str, str]:
        """The variables by which programs find each other and their libraries."""
        if self.entered:
            return {"PATH": _LIVING_PATH}
        unpacked = [self.tree / name for name in ("usr/bin", "bin", "usr/sbin", "sbin")]
        libraries = [str(found) for pattern in ("usr/lib/*-linux-*", "lib/*-linux-*") for found in self.tree.glob(pattern)]
        return {
            "PATH": ":".join([str(self.tree / "usr/lib/erlang/bin"), os.environ.get("PATH", os.defpath), *map(str, unpacked)]),
            "LD_LIBRARY_PATH": ":".join(libraries),
        }


async def installed_rabbitmq(home: Path) -> Installation:
    """The root that the environment names; else this system's own packages, unpacked."""
    root = given_root()
    return Installation(await unpacked_rabbitmq(home), entered=False) if root is None else Installation(root, entered=True)


def given_root() -> Path | None:
    """What `WIAN_EMBEDDED_RABBITMQ_ROOT` names; raises when it cannot be used."""
    given = os.environ.get(ROOT_VARIABLE)
    if not given:
        return None
    root = Path(given)
    if not list(root.glob(_SERVER)):
        raise ServerUnavailable(f"{ROOT_VARIABLE} names {root}, and no RabbitMQ is installed there.")
    _check_root()
    return root


async def made_root(home: Path) -> Path:
    """A root with RabbitMQ and Erlang of the next release: fetched the first time, about 370 MB, then kept in the cache."""
    _check_root()
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        raise ServerUnavailable(f"A root with RabbitMQ 4 is made with {missing[0]}, which is not on the PATH.")
    folder = home / "cache" / f"rabbitmq-server-root-{RELEASE}-{platform.machine()}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    async with locked(folder.with_suffix(".lock")):
        if not folder.exists():
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)  # one that was interrupted
            partial.mkdir()
            try:
                async with asyncio.timeout(_FETCH_SECONDS):
                    await _make(partial)
            except (CommandFailed, TimeoutError) as error:
                raise ServerUnavailable(
                    f"Debian {RELEASE} with RabbitMQ could not be fetched from this system's package sources: {error}"
                ) from error
            (partial / "root").rename(folder)
            shutil.rmtree(partial)
    return folder


async def _make(workspace: Path) -> None:
    debootstrap, environment = await _debootstrap(workspace)
    root = workspace / "root"
    mirror = await _mirror()
    await run_command(
        [debootstrap, "--variant=minbase", "--include=rabbitmq-server", RELEASE, str(root), mirror],
        environment={**os.environ, **environment, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
    )
    (root / "etc/apt/sources.list").unlink(missing_ok=True)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")  # the node's name is wian@localhost


async def _debootstrap(workspace: Path) -> tuple[str, Mapping[str, str]]:
    """The system's own, or one unpacked for this time: it is a script, and need not be installed."""
    found = shutil.which("debootstrap", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is not None:
        return found, {}
    fetch = f"cd '{workspace}' && apt-get --quiet --option=APT::Sandbox::User=root download debootstrap"
    try:
        await run_command(["sh", "-c", fetch])
    except CommandFailed as error:
        raise ServerUnavailable(f"Install debootstrap: it is not on the PATH, and could not be fetched. {error}") from error
    (package,) = workspace.glob("debootstrap_*.deb")
    await run_command(["dpkg-deb", "--extract", str(package), str(workspace / "tool")])
    tool = workspace / "tool/usr"
    return str(tool / "sbin/debootstrap"), {"DEBOOTSTRAP_DIR": str(tool / "share/debootstrap")}


async def _mirror() -> str:
    """Where this system's apt has its own release from; the next one is beside it."""
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    asked = ["Created-By: Packages", "Component: main", f"Codename: {release}"]
    sources = (await run_command(["apt-get", "indextargets", "--format", "$(REPO_URI)", *asked])).split()
    if not sources:
        raise ServerUnavailable("This system's apt names no mirror of Debian from which RabbitMQ 4 could be fetched.")
    return sources[0]


def _check_root() -> None:
    if os.geteuid() != 0:
        raise ServerUnavailable("RabbitMQ 4 runs in a chroot, which only root can enter: become root, or set WIAN_AMQP_URL.")

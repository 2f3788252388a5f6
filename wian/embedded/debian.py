"""Debian's packages unpacked into a folder, RabbitMQ's above all: no root, nothing installed on the system."""

import asyncio
import os
import platform
import re
import shutil
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from wian.embedded.errors import CommandFailed, ServerUnavailable
from wian.embedded.folders import locked
from wian.embedded.processes import run_command

_PACKAGE: Final = "rabbitmq-server"
_OURS_EVEN_IF_INSTALLED: Final = re.compile(r"^Package: (rabbitmq-server|erlang-\S+)$", re.MULTILINE)
_APPLICATIONS_NEEDED: Final = re.compile(r"applications\s*,\s*\[([^\]]*)\]")
_TOOLS: Final = ("apt-get", "dpkg-deb")

# Debian's script names /usr/lib/erlang whatever the folder it lies in; this one asks where it lies.
_RELOCATABLE_ERL: Final = """\
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
ROOTDIR=${here%%/lib/erlang/*}/lib/erlang
BINDIR=$(echo "$ROOTDIR"/erts-*/bin)
EMU=beam
PROGNAME=erl
export ROOTDIR BINDIR EMU PROGNAME
exec "$BINDIR/erlexec" ${1+"$@"}
"""


_REMEDY: Final = "set WIAN_AMQP_URL to the address of a RabbitMQ server, version 3.10 or later"


def unpacked_folder(home: Path, package: str) -> Path:
    """Where a package and what it needs are unpacked, on Debian and its like."""
    # A system upgraded to its next release gets the packages of that release.
    system = platform.freedesktop_os_release()
    return home / "cache" / f"{package}-{system['ID']}-{system.get('VERSION_ID', 'unstable')}-{platform.machine()}"


def missing_tools() -> list[str]:
    """Those of Debian's tools for packages that are not on the PATH."""
    return [tool for tool in _TOOLS if shutil.which(tool) is None]


def check_rabbitmq_can_be_had(home: Path) -> None:
    """Raise, before anything is started, when there is neither an unpacked RabbitMQ nor a way to fetch one."""
    missing = missing_tools()
    if missing and not (platform.system() == "Linux" and unpacked_folder(home, _PACKAGE).exists()):
        raise ServerUnavailable(f"RabbitMQ is fetched with Debian's {missing[0]}, which is not on the PATH: {_REMEDY}.")


async def unpacked_rabbitmq(home: Path) -> Path:
    """The root of a file tree with RabbitMQ and Erlang; fetched the first time, about 35 MB."""
    folder = unpacked_folder(home, _PACKAGE)
    if folder.exists():
        return folder

    def make_ready(tree: Path) -> None:
        for script in [tree / "usr/lib/erlang/bin/erl", *tree.glob("usr/lib/erlang/erts-*/bin/erl")]:
            script.write_text(_RELOCATABLE_ERL)
            script.chmod(script.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        _leave_out_plugins(tree)

    try:
        await unpack_packages(folder, [_PACKAGE], ours_even_if_installed=_OURS_EVEN_IF_INSTALLED, make_ready=make_ready)
    except CommandFailed as error:
        raise ServerUnavailable(
            f"RabbitMQ could not be fetched from this system's package sources: look at the error below, or {_REMEDY}. {error}"
        ) from error
    return folder


async def unpack_packages(
    folder: Path,
    packages: Sequence[str],
    *,
    ours_even_if_installed: re.Pattern[str],
    make_ready: Callable[[Path], None] = lambda _tree: None,
) -> None:
    """Fetch packages and those they need that this system lacks, and unpack them; the folder appears when all is in it.

    `ours_even_if_installed` finds, in dpkg's description of a package, that it is fetched though the system has it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    async with locked(folder.with_suffix(".lock")):
        if not folder.exists():
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)  # a fetch that was interrupted
            partial.mkdir()
            await _fetch(partial / "apt", packages, ours_even_if_installed)
            await _unpack(partial / "apt/archives", partial / "tree")
            make_ready(partial / "tree")
            (partial / "tree").rename(folder)
            shutil.rmtree(partial)


async def _fetch(workspace: Path, packages: Sequence[str], ours_even_if_installed: re.Pattern[str]) -> None:
    """Let apt work out and download the packages this system lacks, with lists and a cache of our own."""
    for name in ("lists/partial", "archives/partial"):
        (workspace / name).mkdir(parents=True)
    installed = Path("/var/lib/dpkg/status").read_text(encoding="utf-8", errors="replace").split("\n\n")
    status = workspace / "status"
    status.write_text(
        "\n\n".join(package for package in installed if not ours_even_if_installed.search(package)), encoding="utf-8"
    )
    options = {
        "Dir::State::lists": workspace / "lists",
        "Dir::State::status": status,
        "Dir::Cache": workspace,
        "Dir::Cache::archives": workspace / "archives",
        "Debug::NoLocking": "true",  # the locks are the system's; our folder has a lock of its own
        "APT::Sandbox::User": "root",  # apt's own user may not reach our folder
    }
    apt = ["apt-get", "--quiet", *(f"--option={name}={value}" for name, value in options.items())]
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    await run_command([*apt, "update"], environment=environment)
    await run_command(
        [*apt, "--yes", "--no-install-recommends", "--download-only", "install", *packages], environment=environment
    )


async def _unpack(archives: Path, tree: Path) -> None:
    tree.mkdir()
    turns = asyncio.Semaphore(os.cpu_count() or 1)

    async def unpack(archive: Path) -> None:
        async with turns:
            await run_command(["dpkg-deb", "--extract", str(archive), str(tree)])

    await asyncio.gather(*(unpack(archive) for archive in archives.glob("*.deb")))


def _leave_out_plugins(tree: Path) -> None:
    """Remove the plugins that the broker itself does not need.

    Erlang looks for each of some thousand modules in every folder: without the plugins, RabbitMQ starts in about two thirds of the time.
    """
    descriptions = {found.stem: found for found in tree.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*/plugins/*/ebin/*.app")}
    needed: set[str] = set()
    to_visit = ["rabbit", "rabbitmq_prelaunch"]
    while to_visit:
        name = to_visit.pop()
        if name in descriptions and name not in needed:
            needed.add(name)
            for names in _APPLICATIONS_NEEDED.findall(descriptions[name].read_text()):
                to_visit.extend(re.findall(r"\w+", names))
    for name, found in descriptions.items():
        if name not in needed:
            shutil.rmtree(found.parents[1])

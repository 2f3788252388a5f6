"""Make `.venv` with everything that the project needs, from a bare Python: `python3 wian/bootstrap.py`."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file is what an older Python would be given
    sys.exit("Wian needs Python 3.11 or later; this is {}.{}.".format(*sys.version_info[:2]))

import hashlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

# What only a real preparation needs is imported there: a prepared checkout pays for this file on every `make`.

CHECKOUT = Path(__file__).resolve().parent.parent
_PIP_WHEELS = "usr/share/python-wheels"


class BootstrapError(Exception):
    """The environment cannot be made; the message says what to do about it."""


def prepare(checkout: Path) -> None:
    """Make the checkout's `.venv` match its lock file; returns at once when it does already."""
    environment, lock = checkout / ".venv", checkout / "requirements.lock"
    if not lock.exists():
        raise BootstrapError(f"{lock} is missing: run this from a complete checkout.")
    wanted = _stamp(checkout, lock)
    if _is_prepared(environment, wanted):
        return
    if environment.is_symlink():
        # To make it anew would empty what it points to, under the feet of whoever works with it.
        raise BootstrapError(f"{environment} is a link to another checkout's: call its bin/python, or remove the link.")
    private = checkout / ".wian"
    private.mkdir(exist_ok=True)
    with _only_one(private / "bootstrap.lock"):
        if not _is_prepared(environment, wanted):
            print("Preparing .venv (the first time takes about a minute)", flush=True)
            _build(environment, lock, private)
            # Last of all: whatever was interrupted before is done again.
            (environment / ".wian-stamp").write_text(wanted, encoding="ascii")


def _stamp(checkout: Path, lock: Path) -> str:
    """Changes with the lock, the Python version and the place: a virtual environment cannot be moved."""
    parts = [lock.read_bytes(), repr(sys.version_info[:2]).encode(), os.fsencode(checkout)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _is_prepared(environment: Path, wanted: str) -> bool:
    stamp = environment / ".wian-stamp"
    return (environment / "bin/python").exists() and stamp.exists() and stamp.read_text(encoding="ascii") == wanted


@contextmanager
def _only_one(lock_file: Path) -> Generator[None, None, None]:
    """Wait until no other bootstrap of this checkout runs."""
    import fcntl

    with lock_file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _build(environment: Path, lock: Path, private: Path) -> None:
    (environment / ".wian-stamp").unlink(missing_ok=True)
    if not _has_working_pip(environment):
        _make_environment(environment, private)
    python = environment / "bin/python"
    pip_install = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    _run(
        [*pip_install, "--require-hashes", "--requirement", str(lock)], "the packages of requirements.lock could not be installed"
    )
    # The project itself needs no build: its modules are found where they lie.
    (_site_packages(environment) / "wian-checkout.pth").write_text(f"{environment.parent}\n", encoding="utf-8")


def _site_packages(environment: Path) -> Path:
    return environment / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"


def _has_working_pip(environment: Path) -> bool:
    """Whether an earlier environment is worth keeping: same Python, same place, pip answers."""
    import subprocess

    python, pip = environment / "bin/python", environment / "bin/pip"
    if not (python.exists() and pip.exists() and _site_packages(environment).is_dir()):
        return False
    same_place = pip.read_text(encoding="utf-8").startswith(f"#!{environment}/")
    return same_place and subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def _make_environment(environment: Path, private: Path) -> None:
    import importlib.util
    import venv

    if importlib.util.find_spec("ensurepip") is not None:
        # Debian ships an ensurepip that only explains itself; where it fails, the other way is open.
        try:
            venv.create(environment, with_pip=True, clear=True, symlinks=True)
        except (SystemExit, OSError, ValueError) as error:
            print(f"ensurepip does not work here ({error}); trying Debian's package of pip", flush=True)
        else:
            return
    venv.create(environment, with_pip=False, clear=True, symlinks=True)
    wheel = _pip_wheel(private)
    command = [str(environment / "bin/python"), str(wheel / "pip"), "install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    _run(command, "pip could not be installed into .venv")


def _pip_wheel(private: Path) -> Path:
    """A wheel of pip: Debian's, installed on the system, or fetched into the private folder."""
    import shutil

    for root in (Path("/"), private / "pip"):
        for wheel in sorted((root / _PIP_WHEELS).glob("pip-*.whl")):
            return wheel
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise BootstrapError(
            "This Python has no ensurepip, and there is no apt-get to fetch pip with: install the venv module of your Python."
        )
    return _fetch_pip_wheel(private / "pip")


def _fetch_pip_wheel(folder: Path) -> Path:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)  # a fetch that was interrupted
    (folder / "lists/partial").mkdir(parents=True)
    (folder / "archives/partial").mkdir(parents=True)
    options = {
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder,
        "Debug::NoLocking": "true",
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "--quiet=2", *(f"--option={name}={value}" for name, value in options.items())]
    why = "pip could not be fetched from this system's package sources (installing python3-venv would do as well)"
    _run([*apt, "update"], why)
    _run([*apt, "download", "python3-pip-whl"], why, folder=folder)
    for package in folder.glob("*.deb"):
        _run(["dpkg-deb", "--extract", str(package), str(folder)], why)
    for wheel in (folder / _PIP_WHEELS).glob("pip-*.whl"):
        return wheel
    raise BootstrapError(f"{why}: the package holds no wheel.")


def _run(command: list[str], why: str, *, folder: Path | None = None) -> None:
    """Run a command with the caller's own settings (pip's, say); its errors go to the terminal."""
    import subprocess

    if status := subprocess.run(command, cwd=folder, check=False).returncode:
        raise BootstrapError(f"{why}: {Path(command[0]).name} ended with status {status}; its messages are above.")


def main() -> int:
    try:
        prepare(CHECKOUT)
    except BootstrapError as error:
        print(f"bootstrap: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bootstrap: interrupted; the next run goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The Chromium that the tests drive: the one on the PATH, or Debian's, unpacked into a folder without root."""

import os
import platform
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import fontpkg_sarabun

from wian.embedded.debian import missing_tools, unpack_packages, unpacked_folder
from wian.embedded.errors import CommandFailed, ServerUnavailable

VARIABLE: Final = "WIAN_EMBEDDED_CHROMIUM"
FETCHED: Final = "fetched"

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
# The second holds Latin letters of all kinds; Thai ones are in the font that the pages use.
_PACKAGES: Final = ("chromium", "fonts-liberation")
_OURS_EVEN_IF_INSTALLED: Final = re.compile(r"^Package: (chromium(-common)?|fonts-liberation)$", re.MULTILINE)
_REMEDY: Final = f"install chromium, or set {VARIABLE} to the path of a Chromium"

# Debian's own settings lie where the packages would have been installed.
_FONTS: Final = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
<dir prefix="relative">usr/share/fonts</dir>
<dir>/usr/share/fonts</dir>
<cachedir prefix="xdg">fontconfig</cachedir>
<alias><family>sans-serif</family><prefer><family>Sarabun</family></prefer></alias>
<alias><family>monospace</family><prefer><family>Liberation Mono</family></prefer></alias>
</fontconfig>
"""


@dataclass(frozen=True, slots=True)
class Chromium:
    """A browser's program and the environment that it needs beside the caller's."""

    program: Path
    environment: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def arguments(self) -> list[str]:
        """How it is started here: Chromium's sandbox cannot be had by root, nor by the packages unpacked without root."""
        return ["--no-sandbox"] if os.geteuid() == 0 or self.environment else []


async def found_chromium(home: Path) -> Chromium:
    """`$WIAN_EMBEDDED_CHROMIUM`, or the one on the PATH, or else one that is fetched the first time, about 100 MB.

    The variable names a program, or is ``fetched``: then what is on the PATH is not used.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted and wanted != FETCHED:
        if not os.access(wanted, os.X_OK):
            raise ServerUnavailable(f"{VARIABLE} names {wanted}, which is not a program: {_REMEDY}.")
        return Chromium(Path(wanted).absolute())
    installed = next((path for path in map(shutil.which, _NAMES) if path), None)
    if installed and not wanted:
        return Chromium(Path(installed))
    return await _unpacked_chromium(home)


async def _unpacked_chromium(home: Path) -> Chromium:
    missing = missing_tools()
    if platform.system() != "Linux" or (missing and not unpacked_folder(home, "chromium").exists()):
        raise ServerUnavailable(f"There is no Chromium on the PATH, and none can be fetched without Debian's apt: {_REMEDY}.")
    tree = unpacked_folder(home, "chromium")
    if not tree.exists():

        def add_fonts(made: Path) -> None:
            shutil.copytree(Path(fontpkg_sarabun.ROOT) / "files", made / "usr/share/fonts/sarabun")
            (made / "fonts.conf").write_text(_FONTS)

        try:
            await unpack_packages(tree, _PACKAGES, ours_even_if_installed=_OURS_EVEN_IF_INSTALLED, make_ready=add_fonts)
        except CommandFailed as error:
            raise ServerUnavailable(
                f"There is no Chromium on the PATH, and it could not be fetched from this system's package sources: {_REMEDY}. {error}"
            ) from error
    # The last one's libraries are found by a path into the system's own folders, where these packages are not.
    places = ("*lib/*-linux-gnu*", "usr/lib/*-linux-gnu*", "usr/lib/*-linux-gnu*/pulseaudio")
    libraries = [tree / "usr/lib/chromium", *(folder for place in places for folder in sorted(tree.glob(place)))]
    paths = ":".join(str(folder) for folder in libraries)
    return Chromium(tree / "usr/lib/chromium/chromium", {"LD_LIBRARY_PATH": paths, "FONTCONFIG_FILE": str(tree / "fonts.conf")})

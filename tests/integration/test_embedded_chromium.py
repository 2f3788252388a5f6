"""The browser of the tests: any that is there, or Debian's in a folder, or a sentence that says what to set."""

import os
import re
from pathlib import Path

import pytest

from wian.embedded.chromium import FETCHED, VARIABLE, Chromium, found_chromium
from wian.embedded.errors import ServerUnavailable
from wian.embedded.folders import default_home
from wian.embedded.processes import run_command


async def test_without_a_browser_and_without_apt_it_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for value, named in ((None, "no Chromium on the PATH"), (FETCHED, "apt"), (str(tmp_path / "nothing"), "not a program")):
        if value is None:
            monkeypatch.delenv(VARIABLE, raising=False)
        else:
            monkeypatch.setenv(VARIABLE, value)
        with pytest.raises(ServerUnavailable, match=VARIABLE) as raised:
            await found_chromium(tmp_path)
        assert named in str(raised.value)


async def test_the_one_on_the_path_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "chromium"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(VARIABLE, raising=False)
    assert await found_chromium(tmp_path) == Chromium(program)


async def test_the_fetched_one_draws_thai(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, FETCHED)
    chromium = await found_chromium(default_home())
    page, picture = tmp_path / "page.html", tmp_path / "page.png"
    page.write_text("<meta charset=utf-8><p>ลงทะเบียนรับ")
    drawn = await run_command(
        [
            str(chromium.program), "--headless", *chromium.arguments, f"--user-data-dir={tmp_path / 'profile'}", "--disable-gpu",
            "--timeout=20000", f"--screenshot={picture}", "--dump-dom", page.as_uri(),
        ],
        environment={**os.environ, **chromium.environment},
    )  # fmt: skip
    assert re.search("<p>ลงทะเบียนรับ", drawn) is not None
    assert picture.read_bytes().startswith(b"\x89PNG")

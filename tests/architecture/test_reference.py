"""The reference pages list what the code has."""

from contextlib import AsyncExitStack

from shared.problems import Problem
from tests.support.system import open_all
from wian.reference import CATALOGUES, DOCS, pages


async def test_reference_pages_match_the_code(settings_environment: dict[str, str]) -> None:
    async with AsyncExitStack() as stack:
        parts = await open_all(stack, settings_environment)
        written = pages({name: part.app for name, part in parts.items()})
    stale = [str(path) for path, text in written.items() if _read(path) != text]
    assert stale == [], "run `make docs`"


def _read(path: object) -> str | None:
    file = DOCS / str(path)
    return file.read_text(encoding="utf-8") if file.exists() else None


def test_problem_codes_are_unique_and_say_what_to_do_in_two_languages() -> None:
    catalogue: list[Problem] = [problem for problems in CATALOGUES.values() for problem in problems]
    codes = [problem.code for problem in catalogue]
    assert len(codes) == len(set(codes))
    for problem in catalogue:
        assert 400 <= problem.status < 600
        assert problem.remedy_en
        assert any("\u0e00" <= character <= "\u0e7f" for character in problem.remedy_th), problem.code
        assert any("\u0e00" <= character <= "\u0e7f" for character in problem.title_th), problem.code

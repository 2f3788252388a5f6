"""`wian bench`: runs the benchmarks, prints a table, and writes build/bench.json."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from wian.bench import acknowledgments, agencies, books, dispatch, letters
from wian.bench.result import Figure, show, write
from wian.bench.system import System, system

BENCHMARKS: Final[Mapping[str, Callable[[System], Awaitable[list[Figure]]]]] = {
    "fanout": dispatch.fanout,
    "express": dispatch.express,
    "neighbours": dispatch.neighbours,
    "backlog": dispatch.backlog,
    "import_nation": agencies.import_nation,
    "search": books.search,
    "letters": letters.letters,
    "acknowledgments": acknowledgments.acknowledgments,
}


async def bench(names: Sequence[str]) -> int:
    """Run the benchmarks called `names`, all of them when none is named; returns the exit status."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
        return 2
    figures: list[Figure] = []
    async with system() as running:
        for name in names or BENCHMARKS:
            print(f"{name}: {BENCHMARKS[name].__doc__}", flush=True)
            figures += await BENCHMARKS[name](running)
    show(figures)
    write(figures, Path("build/bench.json"))
    return 0

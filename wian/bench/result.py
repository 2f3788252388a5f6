"""Figures of a benchmark: as a table for people, as JSON for machines."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, the same by a bare loop, and the first divided by the second (None: nothing bare to compare with)."""

    name: str
    value: float
    unit: str
    bare: float | None
    ratio: float | None


def figure(name: str, value: float, unit: str, bare: float | None = None) -> Figure:
    """A figure with its ratio."""
    return Figure(
        name, round(value, 4), unit, None if bare is None else round(bare, 4), None if not bare else round(value / bare, 4)
    )


def show(figures: Sequence[Figure]) -> None:
    """Print the table."""
    table = Table("name", "value", "unit", "bare", "ratio")
    for one in figures:
        cells = (one.value, one.unit, "" if one.bare is None else one.bare, "" if one.ratio is None else one.ratio)
        table.add_row(one.name, *(f"{cell:,.3f}" if isinstance(cell, float) else str(cell) for cell in cells))
    Console().print(table)


def write(figures: Sequence[Figure], path: Path) -> None:
    """Write `path`; figures of earlier runs under other names stay."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept: list[dict[str, object]] = json.loads(path.read_text()) if path.exists() else []
    measured = {one.name for one in figures}
    path.write_text(json.dumps([*(old for old in kept if old["name"] not in measured), *map(asdict, figures)], indent=2) + "\n")

"""The example's data: both letters, the annex's addressees, the provinces and the local governments."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

FOLDER: Final = Path(__file__).resolve().parents[2] / "examples" / "samut-sakhon-2560"
PROVINCE: Final = "samut-sakhon"
MINISTRY: Final = "ministry-of-interior"

Letter = dict[str, object]


@dataclass(frozen=True, slots=True)
class Addressee:
    """One line of a list, with the agency behind it and how it behaves in the demo."""

    title: str
    agency_code: str
    name_th: str
    name_en: str
    kind: str
    parent_code: str
    letter_code: str
    channel: str
    email: str
    behaviour: str
    relay_duty: bool
    district_code: str


@dataclass(frozen=True, slots=True)
class Example:
    """`paper` is the province's letter as it was typed, with its annex and the letter enclosed."""

    ministry_letter: Letter
    province_letter: Letter
    provinces: tuple[Addressee, ...]
    addressees: tuple[Addressee, ...]
    local_governments: tuple[Addressee, ...]
    paper: str

    @property
    def agencies(self) -> tuple[Addressee, ...]:
        """Every agency that somebody addresses."""
        return self.provinces + self.addressees + self.local_governments


def load(folder: Path = FOLDER) -> Example:
    """Read the example; all its files are described in its README."""
    return Example(
        ministry_letter=_letter(folder / "ministry-letter.json"),
        province_letter=_letter(folder / "letter.json"),
        provinces=_rows(folder / "provinces.csv", kind="province", parent=MINISTRY),
        addressees=_rows(folder / "addressees.csv", kind="", parent=PROVINCE),
        local_governments=_rows(folder / "local-governments.csv", kind="local_government", parent=""),
        paper=(folder / "letter.txt").read_text(encoding="utf-8"),
    )


def _letter(path: Path) -> Letter:
    return cast("Letter", json.loads(path.read_text(encoding="utf-8")))


def _rows(path: Path, *, kind: str, parent: str) -> tuple[Addressee, ...]:
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(
            Addressee(
                title=row["title"],
                agency_code=row["agency_code"],
                name_th=row["name_th"],
                name_en=row["name_en"],
                kind=row.get("kind") or kind,
                parent_code=row.get("district_code") or parent,
                # A province's own offices stand at the first unit of its prefix.
                letter_code=f"{row['letter_prefix']} ๐๐๑๗" if "letter_prefix" in row else "",
                channel=row["channel"],
                email=row["email"],
                behaviour=row["behaviour"],
                relay_duty=row.get("relay_duty") == "true",
                district_code=row.get("district_code", ""),
            )
            for row in csv.DictReader(file)
        )

"""The reader: a text of many lines into a letter, its annexes and the letters enclosed. It takes any text and never raises."""

import re
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

from services.registry.domain.kinds import Kind
from services.registry.domain.letters import Draft, Enclosure, Reference
from services.registry.intake import marks
from services.registry.intake.paper import Annex, Lines, Paper, Row, Stray, Understood
from services.registry.preflight.numbers import cited, read_number
from shared.contracts.events import Secrecy, Speed
from shared.thai.dates import ThaiDateError, parse_date
from shared.thai.numbers import LetterNumberError, parse_letter_number
from shared.thai.text import has_unsafe_characters, repair_sara_am

# More than the longest real circular has; what follows is not read.
MOST_LINES: Final = 200_000
MOST_ENCLOSED: Final = 20
_BREAKS: Final = re.compile(r"\r\n|\r|\n|\f|\v|\x85|\u2028|\u2029")
# A printed line that ends near the margin goes on in the next.
_FULL_LINE: Final = 0.7
_STACKED: Final = re.compile("[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]")
_NUMBERED: Final = frozenset({"อ้างถึง", "สิ่งที่ส่งมาด้วย"})


def read_paper(text: str, *, wrapped: bool = False) -> Paper:
    """The letter that `text` holds. `wrapped` says that its lines are a page's lines, not paragraphs."""
    lines = [(number, line.lstrip(" ")) for number, line in enumerate(_BREAKS.split(text)[:MOST_LINES], start=1)]
    parts = _parts(lines)
    letter = _Letter(wrapped=wrapped)
    letter.read(Lines(parts[0].lines))
    annexes: list[Annex] = []
    enclosed: list[Paper] = []
    strays = list(letter.strays)
    for part in parts[1:]:
        if part.kind == "annex":
            annex, left = _annex(part.lines)
            annexes.append(annex)
            strays += left
        elif len(enclosed) < MOST_ENCLOSED:
            other = _Letter(wrapped=wrapped)
            other.read(Lines(part.lines))
            enclosed.append(other.paper(part.lines[0][0]))
            strays += other.strays
    paper = letter.paper(1)
    notes = [*paper.understood, *(note for annex in annexes for note in _notes(annex))]
    notes += [Understood("enclosed_number", other.number, other.line) for other in enclosed if other.number is not None]
    return replace(
        paper,
        annexes=tuple(annexes),
        enclosed=tuple(enclosed),
        understood=tuple(notes),
        not_understood=tuple(sorted((s for s in strays if s.text.strip()), key=lambda stray: stray.line)),
    )


@dataclass(slots=True)
class _Part:
    kind: str
    lines: list[tuple[int, str]] = field(default_factory=list)


def _parts(lines: list[tuple[int, str]]) -> list[_Part]:
    """The letter, each annex, and each letter that follows."""
    parts = [_Part("letter")]
    closed = False
    for number, line in lines:
        bare = line.strip()
        if marks.ANNEX.fullmatch(bare) and (closed or parts[-1].kind == "annex"):
            parts.append(_Part("annex"))
        elif closed and marks.NUMBER.fullmatch(bare) and not (parts[-1].kind == "annex" and _in_heading(parts[-1])):
            parts.append(_Part("letter"))
            closed = False
        elif bare.startswith(marks.CLOSINGS):
            closed = True
        parts[-1].lines.append((number, line))
    return parts


def _in_heading(part: _Part) -> bool:
    """Whether an annex has shown its title only, so that a number belongs to it."""
    return sum(1 for _, line in part.lines if line.strip()) <= 1


def _annex(lines: list[tuple[int, str]]) -> tuple[Annex, list[Stray]]:
    left = Lines(lines[1:])
    annex = Annex(lines[0][0], None, None, None, ())
    tabbed = False
    while (line := left.peek()) is not None:
        bare, label = line.strip(), marks.labelled(line.strip())
        if number := marks.NUMBER.fullmatch(bare):
            annex = replace(annex, number=_clean(number[1]))
        elif marks.DATE.fullmatch(bare):
            annex = replace(annex, date=_day(bare))
        elif label is not None and label[0] == "เรื่อง":
            annex = replace(annex, subject=_clean(label[1]))
        elif marks.TABLE_HEAD.fullmatch(bare):
            tabbed = "\t" in line
            left.take()
            break
        elif bare and _is_row(bare):
            break
        left.take()
    return _rows(annex, left, tabbed=tabbed)


def _is_row(bare: str) -> bool:
    return marks.ITEM.match(bare) is not None or "\t" in bare


def _rows(annex: Annex, left: Lines, *, tabbed: bool) -> tuple[Annex, list[Stray]]:
    rows: list[Row] = []
    ended = False
    while (line := left.peek()) is not None:
        # In a table every row has its cells; in a plain list a blank line ends it.
        ended = ended or (bool(rows) and (not line.strip() or (tabbed and "\t" not in line)))
        title = "" if ended else _title(line)
        if not title:
            left.stray()
            continue
        number, _ = left.take()
        rows.append(Row(number, title))
    return replace(annex, rows=tuple(rows)), left.strays


def _title(line: str) -> str:
    cells = [cell.strip() for cell in line.split("\t") if cell.strip()]
    if cells and re.fullmatch(r"[0-9๐-๙]{1,6}[.)]?", cells[0]) and len(cells) > 1:
        cells = cells[1:]
    return _line(marks.ITEM.sub("", cells[0], count=1)) if cells else ""


def _notes(annex: Annex) -> list[Understood]:
    found = [Understood("annex_number", annex.number, annex.line)] if annex.number else []
    return [*found, Understood("annex_addressees", str(len(annex.rows)), annex.line)]


@dataclass(slots=True)
class _Letter:
    """One letter while it is read: heading, body, closing, contact, in this order and each perhaps missing."""

    wrapped: bool
    number: str | None = None
    values: dict[str, Any] = field(default_factory=dict)
    owner: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    contact: list[str] = field(default_factory=list)
    position: list[str] = field(default_factory=list)
    understood: list[Understood] = field(default_factory=list)
    strays: list[Stray] = field(default_factory=list)
    top_secret: bool = False

    def read(self, lines: Lines) -> None:
        """Take every line."""
        self._heading(lines)
        self._labelled(lines)
        self._paragraphs(lines)
        self._ending(lines)
        self.strays += lines.strays

    def paper(self, line: int) -> Paper:
        """What was read."""
        draft = Draft(
            kind=Kind.EXTERNAL,
            circular=self._is_circular(),
            date=self.values.get("date"),
            owner="\n".join(self.owner)[:1000],
            subject=self.values.get("subject", ""),
            salutation=self.values.get("salutation", ""),
            references=tuple(self.values.get("references", ())),
            enclosures=tuple(self.values.get("enclosures", ())),
            body=tuple(self.body),
            closing=self.values.get("closing", ""),
            signatory_name=self.values.get("signatory_name", ""),
            signatory_position="\n".join(self.position)[:1000],
            contact_unit="\n".join(self.contact)[:1000],
            telephone=self.values.get("telephone", ""),
            fax=self.values.get("fax"),
            speed=self.values.get("speed", Speed.NORMAL),
            secrecy=self.values.get("secrecy", Secrecy.NORMAL),
            deadline=None,
        )
        return Paper(self.number, draft, (), (), tuple(self.understood), (), self.top_secret, line)

    def _is_circular(self) -> bool:
        try:
            return self.number is not None and parse_letter_number(self.number).circular
        except LetterNumberError:
            return False

    def _set(self, name: str, value: Any, text: str, line: int) -> None:
        self.values[name] = value
        self.understood.append(Understood(name, text, line))

    def _heading(self, lines: Lines) -> None:
        """Down to the date or to the first label: the number, the owner, the stamps."""
        while (text := lines.peek()) is not None:
            bare = text.strip()
            if marks.labelled(bare) is not None or bare.startswith(marks.CLOSINGS):
                return
            found, day = marks.NUMBER.fullmatch(bare), _day(bare) if marks.DATE.fullmatch(bare) else None
            if self._stamp(lines, bare):
                continue
            if found is not None and self.number is None:
                line, _ = lines.take()
                self.number = _clean(found[1])
                self.understood.append(Understood("number", self.number, line))
                self._owner_line(found[2], line)
            elif day is not None and self.number is not None and "date" not in self.values:
                line, _ = lines.take()
                self._set("date", day, bare, line)
            elif bare and self.number is not None and "date" not in self.values and len(self.owner) < 6:
                line, _ = lines.take()
                self._owner_line(bare, line)
            elif bare and self.number is not None and "date" in self.values:
                return
            else:
                lines.stray()

    def _owner_line(self, text: str | None, line: int) -> None:
        if text:
            self.owner.append(_line(text))
            self.understood.append(Understood("owner", self.owner[-1], line))

    def _stamp(self, lines: Lines, bare: str) -> bool:
        match marks.stamp(bare):
            case None:
                return False
            case Speed() as speed:
                line, _ = lines.take()
                self._set("speed", speed, bare, line)
            case Secrecy() as secrecy:
                line, _ = lines.take()
                self._set("secrecy", secrecy, bare, line)
            case _:
                lines.stray()
                self.top_secret = True
        return True

    def _labelled(self, lines: Lines) -> None:
        """เรื่อง, เรียน, อ้างถึง, สิ่งที่ส่งมาด้วย; each may go on in the lines below until a blank one."""
        while (text := lines.peek()) is not None:
            label = marks.labelled(text.strip())
            if label is None:
                if not text.strip():
                    lines.take()
                    continue
                return
            line, whole = lines.take()
            entries = self._entries(lines, label[0], label[1])
            self._labelled_as(label[0], [entry for entry in entries if entry], whole.strip(), line)

    def _entries(self, lines: Lines, label: str, first: str) -> list[str]:
        """What stands behind a label: numbered entries below it, and on a page the lines on which an entry goes on."""
        entries, last = [first], lines.lines[lines.at - 1][1]
        while (text := lines.peek()) is not None:
            bare = text.strip()
            if not bare or marks.labelled(bare) is not None or bare.startswith(marks.CLOSINGS):
                break
            # A subject ends where the salutation begins; an enclosure's last line is the one that is not full.
            goes_on = self.wrapped and (label == "เรื่อง" or (label in _NUMBERED and _goes_on(last, _widest(lines))))
            if label in _NUMBERED and marks.ITEM.match(bare) is not None:
                entries.append(bare)
            elif goes_on:
                entries[-1] = _joined(entries[-1], last, bare)
            else:
                break
            last = lines.take()[1]
        return entries

    def _labelled_as(self, label: str, entries: list[str], whole: str, line: int) -> None:
        match label:
            case "เรื่อง":
                # Wrapped lines of a page are one subject; the second เรื่อง would be a stamp's.
                self._set("subject", _clean(" ".join(entries))[:1000], " ".join(entries), line)
            case "อ้างถึง":
                references = [_reference(entry) for entry in entries][:100]
                self._set("references", references, whole, line)
            case "สิ่งที่ส่งมาด้วย":
                self._set("enclosures", [_enclosure(entry) for entry in entries][:100], whole, line)
            case _:
                said = _line(" ".join([label, *entries]))
                self._set("salutation", said, said, line)

    def _paragraphs(self, lines: Lines) -> None:
        last = ""
        widest = _widest(lines)
        while (text := lines.peek()) is not None:
            bare = text.strip()
            if bare.startswith(marks.CLOSINGS):
                return
            line, _ = lines.take()
            if not bare:
                last = ""
                continue
            if self.wrapped and self.body and last and _goes_on(last, widest):
                self.body[-1] = _joined(self.body[-1], last, _clean(bare))[:50_000]
            elif len(self.body) < 500:
                self.body.append(_clean(bare)[:50_000])
                self.understood.append(Understood("body", self.body[-1], line))
            last = text

    def _ending(self, lines: Lines) -> None:
        if lines.peek() is not None:
            line, text = lines.take()
            self._set("closing", _line(text), text.strip(), line)
        while (text := lines.peek()) is not None:
            bare = text.strip()
            if not self._contact_line(lines, bare):
                lines.stray()

    def _contact_line(self, lines: Lines, bare: str) -> bool:
        """Take the next line if it is the name, the position, the unit, the telephone or the fax."""
        if not bare:
            return False
        if self._stamp(lines, bare):
            return True
        name, telephone, fax = marks.NAME.fullmatch(bare), marks.TELEPHONE.fullmatch(bare), marks.FAX.fullmatch(bare)
        signed = "signatory_name" in self.values
        if name is not None and not signed:
            line, _ = lines.take()
            self._set("signatory_name", _line(name[1]), bare, line)
        elif telephone is not None and "telephone" not in self.values:
            line, _ = lines.take()
            self._set("telephone", _line(telephone[3]), bare, line)
            if telephone[2]:
                self._set("fax", _line(telephone[3]), bare, line)
        elif fax is not None and "fax" not in self.values:
            line, _ = lines.take()
            self._set("fax", _line(fax[1]), bare, line)
        elif signed and "telephone" not in self.values and (not self.position or bare.startswith(marks.ACTING)):
            line, _ = lines.take()
            self.position.append(_line(bare))
            self.understood.append(Understood("signatory_position", self.position[-1], line))
        elif signed and "telephone" not in self.values and len(self.contact) < 6:
            line, _ = lines.take()
            self.contact.append(_line(bare))
            self.understood.append(Understood("contact_unit", self.contact[-1], line))
        else:
            return False
        return True


def _joined(before: str, last: str, more: str) -> str:
    """Two lines of a page as one; a line that ends in a space was broken there, Thai words are broken without one."""
    return f"{before.rstrip()} {more}" if last.endswith(" ") else f"{before}{more}"


def _goes_on(last: str, widest: int) -> bool:
    """Whether a page's line is broken at the margin; the first line of a paragraph is indented, and so shorter."""
    return last.endswith(" ") or _width(last) >= _FULL_LINE * widest


def _widest(lines: Lines) -> int:
    return max((_width(text) for _, text in lines.lines), default=0)


def _width(text: str) -> int:
    """How many letters stand beside each other: vowels above and below, and tone marks, take no room."""
    return len(_STACKED.sub("", text.strip()))


def _reference(entry: str) -> Reference:
    text = _line(marks.ITEM.sub("", entry, count=1))
    number, day = cited(text)
    issuer = re.split(r"(?:^|\s)ที่\s", text, maxsplit=1)[0].strip()
    return Reference(issuer if number is not None else "", _printed(number) or text, day)


def _enclosure(entry: str) -> Enclosure:
    text = _line(marks.ITEM.sub("", entry, count=1)) or "-"
    copies = marks.DISPOSITIONS.search(text)
    number, day = cited(text)
    issuer = re.search(r"หนังสือ(\S.{0,200}?)\s+ที่\s", text)
    # int() reads Thai digits.
    count = int(copies[1]) if copies is not None else 1
    return Enclosure(text, max(1, min(count, 10_000)), issuer[1] if issuer and number else None, _printed(number), day)


def _printed(number: str | None) -> str | None:
    read = read_number(number)
    return number if read is None else read.printed


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ThaiDateError:
        return None


def _clean(text: str) -> str:
    """The text as a letter may hold it: sara am repaired, nothing that hides or reorders it."""
    repaired = repair_sara_am(text).strip()
    return "".join(c for c in repaired if not has_unsafe_characters(c)).strip() if has_unsafe_characters(repaired) else repaired


def _line(text: str) -> str:
    return _clean(text.replace("\t", " ").replace("\n", " "))[:500].strip()

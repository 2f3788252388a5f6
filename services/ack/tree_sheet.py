"""What the page of the relay tree shows: its levels as a picture with figures, and its relays, as ready words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.ack import wording
from services.ack.tree import Level, Relay, RelayState, Target, Tree
from services.ack.wording import Words
from shared.thai.digits import to_thai

RELAY_WORDS: Final = {
    RelayState.WAITING: Words("ยังไม่แจ้งต่อ", "to be passed on"),
    RelayState.OVERDUE: Words("พ้นกำหนด ยังไม่แจ้งต่อ", "overdue"),
    RelayState.RELAYED: Words("แจ้งต่อแล้ว", "passed on"),
    RelayState.LATE: Words("แจ้งต่อช้ากว่ากำหนด", "passed on late"),
    RelayState.RELEASED: Words("พ้นหน้าที่แจ้งต่อ", "released"),
}
# In the order of the bar, from the left.
PART_WORDS: Final = {
    "registered": Words("ลงทะเบียนรับแล้ว", "registered"),
    "rejected": Words("ปฏิเสธ", "rejected"),
    "handed_over": Words("ส่งถึงแล้ว ยังไม่ตอบ", "handed over, no answer"),
    "awaiting": Words("ยังไม่ถึง", "not handed over"),
    "recalled": Words("เรียกคืน", "recalled"),
}


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a level's bar, in per cent of the bar."""

    key: str
    words: Words
    count: str
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class LevelLine:
    """One level: its bar, and what stands beside it."""

    number: str
    circulars: str
    recipients: str
    parts: tuple[Part, ...]
    overdue: str
    duties: str
    hops: str


@dataclass(frozen=True, slots=True)
class RelayLine:
    """One who must pass the letter on."""

    position: str
    title: str
    target: str
    state: str
    words: Words
    when: str
    hop: str
    below: str


@dataclass(frozen=True, slots=True)
class TreeSheet:
    """The whole page. Not `complete`: the tree was too large to be counted."""

    levels: tuple[LevelLine, ...]
    relays: tuple[RelayLine, ...]
    legend: tuple[Part, ...]
    complete: bool


def tree_sheet_of(tree: Tree) -> TreeSheet:
    """The tree in words."""
    levels = tuple(_level(level) for level in tree.levels)
    shown = {part.key: part for level in levels for part in level.parts}
    legend = tuple(shown[key] for key in PART_WORDS if key in shown)
    return TreeSheet(levels, tuple(_relay(relay) for relay in tree.relays), legend, tree.complete)


def parts_of(level: Level) -> tuple[Part, ...]:
    """The bar: every recipient stands in one stretch, and stretches of nobody are left out."""
    open_ones = level.recipients - level.registered - level.rejected - level.recalled
    # Some register without a hand-over, and of the recalled some had been handed over: the rest is never less than nothing.
    in_hand = min(open_ones, max(0, level.handed_over - level.registered - level.rejected))
    counts = {
        "registered": level.registered,
        "rejected": level.rejected,
        "handed_over": in_hand,
        "awaiting": open_ones - in_hand,
        "recalled": level.recalled,
    }
    parts: list[Part] = []
    before = 0
    for key, count in counts.items():
        if count:
            start, end = (round(100 * edge / level.recipients, 2) for edge in (before, before + count))
            parts.append(Part(key, PART_WORDS[key], to_thai(f"{count:,}"), start, round(end - start, 2)))
        before += count
    return tuple(parts)


def span(seconds: float) -> str:
    """'๒ ชั่วโมง ๕ นาที': rounded for people, two units at most."""
    minutes = round(seconds / 60)
    if minutes == 0:
        return to_thai(f"{round(seconds)} วินาที")
    if minutes < 60:
        return to_thai(f"{minutes} นาที")
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return to_thai(f"{hours} ชั่วโมง" + (f" {minutes} นาที" if minutes else ""))
    days, hours = divmod(hours, 24)
    return to_thai(f"{days} วัน" + (f" {hours} ชั่วโมง" if hours else ""))


def _level(level: Level) -> LevelLine:
    duties = ""
    if level.duties:
        duties = to_thai(f"ต้องแจ้งต่อ {level.duties:,} แจ้งต่อแล้ว {level.relayed:,}")
        if level.duties_overdue:
            duties += to_thai(f" พ้นกำหนด {level.duties_overdue:,}")
    hops = ""
    if level.hops.median_seconds is not None and level.hops.longest_seconds is not None:
        hops = f"ใช้เวลาแจ้งต่อ มัธยฐาน {span(level.hops.median_seconds)} นานที่สุด {span(level.hops.longest_seconds)}"
    return LevelLine(
        number=to_thai(level.level),
        circulars=to_thai(f"{level.circulars:,}"),
        recipients=to_thai(f"{level.recipients:,}"),
        parts=parts_of(level),
        overdue=to_thai(f"พ้นกำหนดตอบรับ {level.overdue:,}") if level.overdue else "",
        duties=duties,
        hops=hops,
    )


def _relay(relay: Relay) -> RelayLine:
    duty = relay.duty
    when, hop = "", ""
    if duty.relayed_at is not None:
        when = wording.moment(duty.relayed_at)
        if relay.hop_seconds is not None:
            hop = f"ใช้เวลา {span(relay.hop_seconds)}"
    elif relay.state is not RelayState.RELEASED and duty.due_at is not None:
        when = f"ภายใน {wording.moment(duty.due_at)}"
    return RelayLine(
        position=to_thai(duty.position),
        title=duty.title,
        target=_target(duty.target),
        state=relay.state.value,
        words=RELAY_WORDS[relay.state],
        when=when,
        hop=hop,
        below=_below(relay.levels),
    )


def _target(target: Target | None) -> str:
    if target is None:
        return ""
    return target.text or (f"หน่วยงานภายใต้{target.below_name_th}" if target.below_name_th else "")


def _below(levels: Sequence[Level]) -> str:
    recipients = sum(level.recipients for level in levels)
    if not recipients:
        return ""
    registered, overdue = sum(level.registered for level in levels), sum(level.overdue for level in levels)
    told = f"ถึงหน่วยงานปลายทาง {recipients:,} แห่ง ลงรับแล้ว {registered:,}" + (f" พ้นกำหนด {overdue:,}" if overdue else "")
    return to_thai(told)

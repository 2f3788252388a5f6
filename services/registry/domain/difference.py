"""What changed from one letter to the one that takes its place, field by field."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from typing import Final

from services.registry.domain.letters import Attachment, Draft
from shared.contracts.events import Secrecy

# The fields whose values are told; of every other one only the name is, for the letter itself says the rest.
_TOLD: Final = frozenset({"subject", "date", "deadline"})
ATTACHMENTS: Final = "attachments"


@dataclass(frozen=True, slots=True)
class Change:
    """A field in which two letters differ; without values when they are not told."""

    field: str
    before: str | None = None
    after: str | None = None


def differences(
    old: Draft, new: Draft, old_files: Sequence[Attachment] = (), new_files: Sequence[Attachment] = ()
) -> tuple[Change, ...]:
    """The fields in which `new` differs from `old`, in the letter's order; of a secret letter without their values."""
    changes = [
        Change(name, _text(getattr(old, name)), _text(getattr(new, name))) if name in _TOLD else Change(name)
        for name in (field.name for field in fields(Draft))
        if getattr(old, name) != getattr(new, name)
    ]
    if _content(old_files) != _content(new_files):
        changes.append(Change(ATTACHMENTS, _names(old_files), _names(new_files)))
    if old.secrecy is Secrecy.NORMAL and new.secrecy is Secrecy.NORMAL:
        return tuple(changes)
    return without_values(changes)


def without_values(changes: Sequence[Change]) -> tuple[Change, ...]:
    """The names of the fields alone."""
    return tuple(replace(change, before=None, after=None) for change in changes)


def _content(files: Sequence[Attachment]) -> list[tuple[str, str]]:
    return [(file.file_name, file.sha256) for file in files]


def _names(files: Sequence[Attachment]) -> str:
    return ", ".join(file.file_name for file in files)


def _text(value: object) -> str | None:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case None:
            return None
        case _:
            return str(value)

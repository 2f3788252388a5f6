"""The gate before dispatch: errors stop an order, unless its sender overrules them with a reason that is kept."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.registry import problems
from services.registry.domain.letters import Letter
from services.registry.preflight.checks import examine
from services.registry.preflight.facts import Rules
from services.registry.preflight.findings import Finding, Severity
from services.registry.preflight.gather import gather
from services.registry.problems import preflight
from services.registry.store import preflight as store
from shared.postgres import Connection
from shared.problems import FieldError


@dataclass(frozen=True, slots=True)
class Override:
    """Which errors the sender overrules, and why."""

    reason: str
    codes: frozenset[str]

    def to_json(self) -> dict[str, Any]:
        """For the hash of the order."""
        return {"reason": self.reason, "findings": sorted(self.codes)}


@dataclass(frozen=True, slots=True)
class Gate:
    """What an order is held to, and what its sender overrules."""

    rules: Rules
    client_id: str
    override: Override | None = None

    async def check(self, connection: Connection, letter: Letter, circular_id: UUID, now: datetime) -> None:
        """Let the circular pass, whose recipients are frozen; keeps what was overruled.

        Raises ProblemError `preflight_errors` with every error that was not.
        """
        facts = await gather(connection, letter, self.rules, circular_id, now)
        report = examine(facts, self.rules)
        overruled = frozenset[str]() if self.override is None else self.override.codes
        left = [finding for finding in report.errors if finding.kind.code not in overruled]
        if left:
            problems.refuse([FieldError(f.pointer, f.kind.code, f.detail) for f in left], preflight.PREFLIGHT_ERRORS)
        if self.override is not None and report.total(Severity.ERROR):
            await store.keep_override(
                connection,
                circular_id=circular_id,
                client_id=self.client_id,
                reason=self.override.reason,
                findings=[_kept(finding) for finding in report.errors],
            )


def _kept(finding: Finding) -> dict[str, Any]:
    return {"code": finding.kind.code, "pointer": finding.pointer, "detail": finding.detail}

"""Problems of reserved and voided numbers."""

from typing import Final

from shared.problems import Problem

CATALOGUE: Final[tuple[Problem, ...]] = ()

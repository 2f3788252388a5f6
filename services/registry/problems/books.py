"""Problems of the two statutory registers and their exports."""

from typing import Final

from shared.problems import Problem

CATALOGUE: Final[tuple[Problem, ...]] = ()

"""Problems of distribution lists and of the addressees that they resolve to."""

from typing import Final

from shared.problems import Problem

CATALOGUE: Final[tuple[Problem, ...]] = ()

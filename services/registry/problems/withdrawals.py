"""Problems of what happens to a letter afterwards: void, supersede, recall, erratum."""

from typing import Final

from shared.problems import Problem

CATALOGUE: Final[tuple[Problem, ...]] = ()

"""Problems of the check before dispatch, and of texts that are read into drafts."""

from typing import Final

from shared.problems import Problem

CATALOGUE: Final[tuple[Problem, ...]] = ()

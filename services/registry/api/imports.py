"""Rows of uploaded tables become request models, with the line of every fault."""

from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from services.registry import problems
from services.registry.domain.tables import TableRow, line_error
from services.registry.problems import refuse
from shared.problems import FieldError

M = TypeVar("M", bound=BaseModel)


def read_rows(rows: Sequence[TableRow], model: type[M], *, nullable: Sequence[str] = ()) -> list[tuple[int, M]]:
    """Each row as a `model` with its line; an empty cell of a `nullable` column is null.

    Raises ProblemError `import_invalid` with an error per faulty cell.
    """
    read: list[tuple[int, M]] = []
    errors: list[FieldError] = []
    for row in rows:
        made = read_row(row, model, nullable=nullable)
        if isinstance(made, list):
            errors += made
        else:
            read.append((row.line, made))
    if errors:
        refuse(errors, problems.IMPORT_INVALID)
    return read


def read_row(row: TableRow, model: type[M], *, nullable: Sequence[str] = ()) -> M | list[FieldError]:
    """The row as a `model`, or an error per faulty cell."""
    values: dict[str, str | None] = {name: None if cell == "" and name in nullable else cell for name, cell in row.values.items()}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        return [
            line_error(row.line, str(fault["type"]), f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}")
            for fault in error.errors(include_url=False, include_input=False, include_context=False)
        ]

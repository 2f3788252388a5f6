"""Identifiers: UUID version 7 (RFC 9562 §5.7), so that rows made one after another lie side by side in an index."""

from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """A fresh, time-ordered identifier."""
    return uuid_utils.compat.uuid7()

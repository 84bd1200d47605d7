"""A definition that somebody sent, with its table: what is wrong with it, and what :func:`~sweep.operate.orders.submit` takes.

What can be told from the text is told here, at once; whatever has to read the table does so in a process with limits
(:mod:`sweep.service.reader`).
"""

from __future__ import annotations

from dataclasses import dataclass

from sweep.errors import DefinitionError, UserError
from sweep.records import Task
from sweep.service.problems import RefusedError, Said, said
from sweep.service.sources import check_source
from sweep.service.state import Service
from sweep.space.arms import within_space
from sweep.spec.definition import parse
from sweep.spec.model import SweepSpec
from sweep.store.service_rows import UploadRecord
from sweep.tables.packed import Packed

MOST_TEXT = 1 << 16
"""Characters of a definition."""


@dataclass(frozen=True, slots=True)
class CheckedDefinition:
    """A definition that fits its table and may be run.

    Attributes:
        spec: With the name and the number of trials that were asked for. Of a table that was handed in,
            ``data.source`` is its own name, and relative to nothing.
        packed: Its table.
        task: Of the table.
        upload: Where the table was handed in.
    """

    spec: SweepSpec
    packed: Packed
    task: Task
    upload: UploadRecord | None


def checked(
    service: Service,
    definition: str,
    upload_id: str | None,
    *,
    name: str | None = None,
    trials: int | None = None,
) -> CheckedDefinition:
    """Checks a definition and reads its table; about two seconds, in a thread of its own.

    Args:
        service: Whose uploads, and whose limits.
        definition: TOML.
        upload_id: Of the table that was handed in with it; ``None`` where the definition names another.
        name: In place of its own.
        trials: In place of its own.

    Raises:
        RefusedError: 404, no such upload; 413, the text is too long; 422, with a problem for each place; 503, all
            readers are busy.
    """
    raise NotImplementedError

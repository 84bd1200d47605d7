"""A definition that somebody sent, with its table: what is wrong with it, and what ``operate.orders.submit`` takes.

What can be told from the text is told here, at once; whatever has to read the table does so in a process with limits
(:mod:`sweep.service.reader`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sweep.errors import DefinitionError, UserError
from sweep.records import Task
from sweep.service.bodies import MOST_TEXT
from sweep.service.problems import RefusedError, Said, said
from sweep.service.sources import PLACE, check_source
from sweep.service.state import Service
from sweep.space.arms import within_space
from sweep.spec.checks import task_rules
from sweep.spec.definition import parse
from sweep.spec.model import SweepSpec
from sweep.spec.source import shown_source
from sweep.spec.toml import to_toml
from sweep.store.service_rows import UploadRecord
from sweep.tables.columns import near
from sweep.tables.packed import Packed


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
        DefinitionError: It has problems of its own, or does not fit the table; all of them are listed.
    """
    spec, upload = understood(service, definition, upload_id, name=name, trials=trials)
    packed = None if upload is None else service.store.stored_table(upload.table_sha256)
    source = upload.name if upload is not None else shown_source(spec.data.source)
    try:
        found, content = service.intake.reader.check(to_toml(spec), source, packed, service.options.sources)
    except DefinitionError:
        raise
    except UserError as error:
        raise RefusedError(422, str(error), "table", [placed(str(error), source)]) from error
    return CheckedDefinition(spec, Packed(content, found.data_hash), found.task, upload)


def understood(
    service: Service,
    definition: str,
    upload_id: str | None,
    *,
    name: str | None = None,
    trials: int | None = None,
) -> tuple[SweepSpec, UploadRecord | None]:
    """What a definition says, without a look at its table; at once. Arguments as of :func:`checked`.

    Raises:
        RefusedError: 404, no such upload; 413, the text is too long; 422, it names a table that it may not.
        DefinitionError: It has problems of its own; all of them are listed.
    """
    if len(definition) > MOST_TEXT:
        raise RefusedError(413, f"a definition may have at most {MOST_TEXT:,} characters", "too_large")
    upload = None if upload_id is None else upload_of(service, upload_id)
    changes = {} if name is None else {"name": name}
    spec = parse(definition, None, changes | ({} if trials is None else {"search.trials": trials}))
    problems = [problem for problem in (check_source(spec, upload, service.options), _header(spec, upload)) if problem]
    if problems:
        raise RefusedError(422, "\n".join(f"{one.place} {one.said}" for one in problems), "source", problems)
    return within_space(spec) if spec.default_trials else spec, upload


def upload_of(service: Service, upload_id: str) -> UploadRecord:
    """A table that was handed in.

    Raises:
        RefusedError: 404, there is none of that id.
    """
    found = service.store.upload(upload_id) if re.fullmatch(r"[0-9a-f]{32}", upload_id) else None
    if found is None:
        raise RefusedError(404, f"no table was handed in as {upload_id[:80]!r}, or it is gone: hand it in again")
    return found


def placed(message: str, source: str) -> Said:
    """What is wrong with a table, at the key of the definition that it is about."""
    found = said(message.removeprefix(f"{source}: "))
    return found if found.place else Said(place=PLACE, said=message)


def column_problems(spec: SweepSpec, upload: UploadRecord | None) -> list[Said]:
    """What a definition says of columns that its table does not have, and what does not go with its target.

    The reader says more, later; this is for those who are still writing.
    """
    if upload is None:
        return []
    columns = {column["name"]: column for column in upload.detected["table"]["columns"]}
    names, data, problems = list(columns), spec.data, []
    named = [("data.drop", data.drop), ("data.categorical", data.categorical)]
    named += [("data.groups", () if data.groups is None else (data.groups,))]
    named += [("data.target", (data.target,) if isinstance(data.target, str) else ())]
    for place, wanted in named:
        absent = [key for key in wanted if key not in columns]
        problems += [Said(place=place, said=f"there is no column {key!r}; {near(key, names)}") for key in absent]
    target = data.target
    if isinstance(target, int):
        if not -len(names) <= target < len(names):
            rule = f"must be a position from {-len(names)} to {len(names) - 1}, however: {target}"
            return [*problems, Said(place="data.target", said=rule)]
        target = names[target]
    task = data.task or columns.get(target, {}).get("task")
    if task is not None:
        why = "" if data.task else f", the task of target {target!r}"
        problems += [said(problem.said("the definition")) for problem in task_rules(spec, task, why)]
    return problems


def _header(spec: SweepSpec, upload: UploadRecord | None) -> Said | None:
    """A table that was handed in is stored as it was read: its first row is data by now, or names."""
    if upload is None or spec.data.header in (None, upload.detected["header"]):
        return None
    was = "names the columns" if upload.detected["header"] else "is data"
    wanted = str(spec.data.header).lower()
    return Said(
        place="data.header",
        said=f"must be left out, or the table handed in again with header={wanted}: its first row {was} as it was read",
    )

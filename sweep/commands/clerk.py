"""What is done for those who ask a service for an estimate, a file or a model: what the commands do.

They do not sit at this machine, and see neither folders of it nor secrets of addresses.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path

from sweep.commands import check, export
from sweep.commands import fit as fitting
from sweep.commands.progress import Saying
from sweep.errors import DefinitionError, UserError
from sweep.operate.clerk import Duties, Duty
from sweep.operate.errand import Done, Say
from sweep.operate.formats import MODEL
from sweep.operate.jobs import AT_HAND, TAKES_A_TABLE
from sweep.operate.reasons import without_places
from sweep.spec.alone import for_others
from sweep.spec.definition import parse
from sweep.spec.places import parted
from sweep.spec.source import kind_of
from sweep.store.service_rows import JobFile, JobRecord
from sweep.store.store import Store
from sweep.texts.plain import without_nan

ENDINGS = {
    "toml": (".toml", "application/toml"),
    "json": (".json", "application/json"),
    "python": (".py", "text/x-python"),
    "keras": (".py", "text/x-python"),
    "sklearn": (".py", "text/x-python"),
    "onnx": (".onnx", "application/octet-stream"),
    "predictions": (".csv", "text/csv"),
    MODEL: (".zip", "application/zip"),
}
"""Of the name of a file, and its media type, by format."""


def estimate(storage: str, job: JobRecord, _: Path, say: Say, *, workers: int | None = None) -> Done:
    """What a definition would run, and about how long; or what is wrong with it.

    Whether there is a sweep of that name is nothing that an estimate tells: it may be another one a moment later.
    """
    table = job.request["table_sha256"]
    try:
        spec = parse(job.request["definition"])
        if table is None and kind_of(spec.data.source) not in AT_HAND:
            raise UserError(TAKES_A_TABLE)
        say("reading the table")
        packed = None
        if table is not None:
            with Store.open(storage) as store:
                packed = store.stored_table(table)
        say("training for a moment")
        found = check.check(spec, None, packed, workers)
        told = replace(found, setup=replace(found.setup, spec=for_others(found.setup.spec)))
        return Done(without_nan(told.to_dict()))
    except DefinitionError as error:
        each = map(parted, error.problems)
        return Done({"problems": [{"place": place, "said": said} for place, said in each]})


def export_file(storage: str, job: JobRecord, _: Path, say: Say) -> Done:
    """The best configuration in a form that other programs read."""
    form, trial, ensemble = job.request["format"], job.request["trial"], job.request["ensemble"]
    file, name = file_name(str(job.sweep), form), str(job.sweep)
    export.check(form, trial, ensemble)
    say("training the network on all rows" if form == "onnx" else "reading the sweep")
    with without_places(storage, name), Store.open(storage) as store:
        content = export.exported(store, name, form, trial, ensemble or 1, file, shared=True)
    written = content.encode() if isinstance(content, str) else content
    return Done({"format": form}, JobFile(file, ENDINGS[form][1], written))


def fit(storage: str, job: JobRecord, folder: Path, say: Say) -> Done:
    """The best configuration trained on all rows: the folder that ``sweep fit`` writes, as a zip file."""
    name, trial, ensemble = str(job.sweep), job.request["trial"], job.request["ensemble"]
    model = folder / f"{name}-model"
    with without_places(storage, name), Store.open(storage) as store:
        where = fitting.Where(model, force=False, storage=storage)
        fitting.fit(
            store,
            name,
            where,
            trial=trial,
            placement=None,
            ensemble=ensemble or 1,
            device="auto",
            display=Saying(say),
            shared=True,
        )
    return Done({"format": MODEL}, JobFile(file_name(name, MODEL), ENDINGS[MODEL][1], _zipped(model)))


def file_name(sweep: str, form: str) -> str:
    """Of an export: ``"sonar.onnx"``."""
    return f"{sweep}{ENDINGS[form][0]}"


def _zipped(folder: Path) -> bytes:
    """A folder of files as bytes, the same for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            entry = zipfile.ZipInfo(f"{folder.name}/{file.name}")  # of 1980, as all
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, file.read_bytes())
    return buffer.getvalue()


def duties(workers: int | None) -> Duties:
    """What the clerk of ``sweep runner`` can do, and for how many seconds.

    Args:
        workers: Of that runner: how long a sweep takes is said for as many.
    """
    return {
        "estimate": Duty(partial(estimate, workers=workers), 300.0),
        "export": Duty(export_file, 3600.0),
        "fit": Duty(fit, 3600.0),
    }

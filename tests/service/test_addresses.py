"""Tables at addresses, and files of this machine: what is asked for them, and what others are told of them."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import optuna
import pytest
from fastapi.testclient import TestClient

from sweep.commands import clerk
from sweep.commands.export import exported
from sweep.errors import StorageError, UserError
from sweep.launch.inline import InlineLauncher
from sweep.operate.jobs import TAKES_A_TABLE, ask_estimate, ask_export
from sweep.run.loop import run_sweep
from sweep.run.study import optuna_storage
from sweep.spec.definition import parse
from sweep.spec.source import MASK
from sweep.store.failures import NoSpaceError, UnreachableError, brief
from sweep.store.store import Store
from tests.operate.queued import FEW, log, queue, status, work
from tests.operate.test_answers import answering
from tests.service import service_app
from tests.service.elsewhere import Elsewhere, all_that_is_told, do_jobs, reach_loopback
from tests.service.served import Listening, client_of
from tests.service.service_app import hand_in, service
from tests.small_sweep import DEFINITION, small_spec, write_table

SECRET, FOLDER = "hunter2-and-more", "somewhere-private"
FORMATS = ("python", "sklearn", "predictions", "model", "toml", "json")


def definition(source: str, name: str = "remote") -> str:
    """Of a sweep of a few trials."""
    text = DEFINITION.format(table=source).replace('"small"', f'"{name}"')
    return text.replace("epochs = 3", "epochs = 2").replace("trials = 12", "trials = 3")


def storage_of(browser: TestClient) -> str:
    return service(browser).options.storage


@pytest.fixture
def table(tmp_path: Path) -> str:
    return write_table(tmp_path).read_text()


# --- what is asked ----------------------------------------------------------------------------------------------------


@pytest.fixture
def hosts(table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Elsewhere, Elsewhere]]:
    """One that is on the allow-list, and one that is not."""
    reach_loopback(monkeypatch, tmp_path)
    with Elsewhere(t=table) as allowed, Elsewhere(t=table) as inside:
        yield allowed, inside


def test_where_an_allowed_address_leads_on_to_is_never_asked(
    hosts: tuple[Elsewhere, Elsewhere], tmp_path: Path
) -> None:
    """Not for what is checked, suggested, estimated or submitted."""
    allowed, inside = hosts
    allowed.leads_to = f"{inside.url}/t.csv"
    source = f"{allowed.url}/t.csv"
    with service_app.client(tmp_path, sources=(f"{allowed.url}/",)) as browser:
        asked = {"definition": definition(source)}
        assert browser.post("/v1/definitions/check", json=asked).json()["problems"] == []
        assert allowed.asked == []  # it looks at the text alone
        for path, body in (("/v1/definitions/suggest", {"source": source}), ("/v1/sweeps", asked)):
            answer = browser.post(path, json=body)
            said = "data.source leads on to an address that is not allowed here"
            assert (answer.status_code, answer.json()["detail"]) == (422, said)
        assert len(allowed.asked) == 2
        answer = browser.post("/v1/estimates", json=asked)
        assert (answer.status_code, answer.json()["detail"]) == (422, TAKES_A_TABLE)
        assert answer.json()["problems"] == [{"place": "data.source", "said": TAKES_A_TABLE}]
        # Nor where it has come to a clerk all the same, as from an older service.
        with pytest.raises(UserError, match="how long it takes is measured on a table that was handed in"):
            clerk.estimate(
                storage_of(browser),
                ask_estimate(service(browser).store, asked["definition"], None),
                tmp_path,
                lambda _: None,
            )
    assert len(allowed.asked) == 2
    assert inside.asked == []


def test_an_estimate_of_what_is_at_hand(table: str, tmp_path: Path) -> None:
    with service_app.client(tmp_path) as browser:
        upload = hand_in(browser, "t.csv", table)
        text = definition("t.csv")
        assert browser.post("/v1/estimates", json={"definition": text, "upload": upload["id"]}).status_code == 202
        text = definition("sklearn:wine").replace('target = "y"', "")
        assert browser.post("/v1/estimates", json={"definition": text}).status_code == 202
        assert set(do_jobs(storage_of(browser), tmp_path).values()) == {None}


# --- what others are told ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """What a service has told of two sweeps: one on an address with a secret, one on a file of this machine.

    Attributes:
        storage: Database URL.
        url: Of the table.
        by: What was told, by where.
        asked: Of the address, and of where it leads by then, once the sweep was submitted.
    """

    storage: str
    url: str
    by: dict[str, str]
    asked: list[str]

    def where(self, text: str) -> list[str]:
        return [place for place, told in self.by.items() if text in told]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("told")
    (folder / FOLDER).mkdir()
    storage, logged = f"sqlite:///{folder / 'sweeps.db'}", io.StringIO()
    handler = logging.StreamHandler(logged)
    loggers = [logging.getLogger(), logging.getLogger("sweep")]
    levels = [logger.level for logger in loggers]
    text = write_table(folder).read_text()
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        Elsewhere(t=text, junk="[1, 2") as host,
        Elsewhere(t=text) as inside,
    ):
        reach_loopback(monkeypatch, folder)
        for logger in loggers:
            logger.addHandler(handler)
            logger.setLevel(logging.DEBUG)
        source = f"{host.url}/t.csv?token={SECRET}"
        try:
            with Listening(storage, sources=(f"{host.url}/",)) as listening, client_of(listening) as client:
                by = _submitted(client, source)
                before, host.leads_to = len(host.asked), f"{inside.url}/t.csv"
                by |= _used(listening, client, storage, folder)
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.removeHandler(handler)
                logger.setLevel(level)
    assert host.asked[0].endswith(SECRET)
    return Told(storage, source, by | {"the log": logged.getvalue()}, [*host.asked[before:], *inside.asked])


def _submitted(client: httpx2.Client, source: str) -> dict[str, str]:
    """The sweep on the address, and others that are refused; what is said of these."""
    by: dict[str, str] = {}
    new = client.post("/v1/sweeps", json={"definition": definition(source)})
    assert new.status_code == 201, new.text
    for wrong in (
        source.replace("/t.", "/none."),
        source.replace("/t.", "/junk."),
        source.replace("http://", "ftp://"),
    ):
        refused = client.post("/v1/sweeps", json={"definition": definition(wrong, "wrong")})
        assert refused.status_code == 422
        by[f"refused {wrong}"] = refused.text
    other = client.post("/v1/sweeps", json={"definition": definition(f"{source}&more={SECRET}")})
    assert other.status_code == 409
    return by | {"refused as another one": other.text}


def _used(listening: Listening, client: httpx2.Client, storage: str, folder: Path) -> dict[str, str]:
    """A service is used for all that it does; what it tells."""
    spec = queue(storage, folder / FOLDER, *FEW)
    assert FOLDER in spec.data.source
    by = {"a runner": "\n".join(work(storage))}
    assert client.post("/v1/sweeps/remote/answer", json={"repeats": 2}).status_code == 202
    jobs = []
    for name in ("remote", "small"):
        wanted: list[dict[str, Any]] = [*({"format": form} for form in FORMATS), {"format": "model", "trial": 1}]
        jobs += [client.post(f"/v1/sweeps/{name}/exports", json=one).json()["id"] for one in wanted]
    with Store.open(storage) as store:
        order = store.order("remote")
        assert order is not None
        assert SECRET in order.definition  # there is something to be told
        jobs.append(ask_estimate(store, order.definition, order.table_sha256).id)
        jobs.append(ask_export(store, "small", "toml").id)
    work(storage, answer=answering(storage))
    assert client.get("/v1/sweeps/remote/answer").status_code == 200
    assert set(do_jobs(storage, folder).values()) == {None}
    by |= all_that_is_told(listening.app, client, ["remote", "small"], jobs)
    for place in ("/v1/sweeps/remote/live", "/sweeps/remote", "/csv/1", f"/v1/jobs/{jobs[0]}/file", "/metrics"):
        assert place in by
    return by


def test_what_was_submitted_is_never_fetched_again(told: Told) -> None:
    """Runner, answer and exports have the table that was stored: the address may lead elsewhere by now."""
    assert told.asked == []


def test_no_secret_of_an_address_is_told(told: Told) -> None:
    """In no page, document, export, study or log: those who look may not know it."""
    assert told.where(SECRET) == []
    assert SECRET not in _attributes(told.storage)
    shown = told.by["/v1/sweeps/remote/definition"]
    assert f"/t.csv?token={MASK}" in shown
    assert f"# What may be secret in the address of the table is left out ({MASK}): write it in again." in shown
    assert "# What may be secret" in told.by["/v1/sweeps/remote/exports/toml"]


def test_a_secret_that_is_written_in_again_makes_it_the_same_definition(told: Told) -> None:
    """What was chosen counts by the fingerprint: of the whole address."""
    with Store.open(told.storage) as store:
        whole = parse(exported(store, "remote", "toml", None, 1, "-"))  # type: ignore[arg-type]  # text
    found = told.by["/v1/sweeps/remote/exports/toml"]
    again = parse(found[found.index("# Best") :].replace(f"token={MASK}", f"token={SECRET}"))
    assert again == whole
    assert again.chosen is not None
    assert again.chosen.fingerprint == again.fingerprint


def test_no_folder_is_told(told: Told) -> None:
    """Of a sweep that was queued on this machine, from a file of it."""
    assert told.where(FOLDER) == []
    assert FOLDER not in _attributes(told.storage)
    assert 'source = "table.csv"' in told.by["/v1/sweeps/small/definition"]
    assert "What may be secret" not in told.by["/v1/sweeps/small/definition"]


def test_nobody_finds_out_by_searching(told: Told, tmp_path: Path) -> None:
    with service_app.client(Path(told.storage.removeprefix("sqlite:///")).parent) as browser:
        found = {text: browser.get("/v1/sweeps", params={"q": text}).json()["total"] for text in (SECRET, FOLDER)}
        assert found == {SECRET: 0, FOLDER: 0}
        assert browser.get("/v1/sweeps", params={"q": "table.csv"}).json()["total"] == 1


def test_what_is_exported_on_this_machine_says_where_the_table_is(told: Told) -> None:
    with Store.open(told.storage) as store:
        for form in ("python", "sklearn", "toml", "json"):
            assert FOLDER in str(exported(store, "small", form, None, 1, "-")), form
        assert SECRET in str(exported(store, "remote", "toml", None, 1, "-"))


def _attributes(storage: str) -> str:
    """All that Optuna keeps of the studies besides trials."""
    with Store.open(storage) as store, optuna_storage(store) as tables:
        studies = [optuna.load_study(study_name=name, storage=tables) for name in ("remote", "small")]
        found = [(study.user_attrs, study._storage.get_study_system_attrs(study._study_id)) for study in studies]
    assert "table.csv: 30 rows, 3 features, binary" in str(found)
    return str(found)


def test_a_study_of_an_earlier_release_loses_the_folder_when_it_goes_on(tmp_path: Path, sqlite_url: str) -> None:
    spec = small_spec(tmp_path, *FEW)
    run_sweep(spec, storage=sqlite_url, launcher=InlineLauncher())
    before = f"{spec.data.source}: 30 rows, 3 features, binary"
    with Store.open(sqlite_url) as store, optuna_storage(store) as tables:
        study = optuna.load_study(study_name="small", storage=tables)
        now = study.user_attrs["table"]
        study.set_user_attr("table", before)
    more = replace(spec, search=replace(spec.search, trials=4))
    run_sweep(more, storage=sqlite_url, launcher=InlineLauncher())
    with Store.open(sqlite_url) as store, optuna_storage(store) as tables:
        study = optuna.load_study(study_name="small", storage=tables)
        assert study.user_attrs["table"] == now == "table.csv: 30 rows, 3 features, binary"
        assert len(study.trials) > 3


def test_a_reason_names_no_folder_and_nothing_beside_the_table(tmp_path: Path) -> None:
    """Of a sweep that was run on this machine, and whose table is gone when somebody wants more of it."""
    home = tmp_path / FOLDER
    home.mkdir()
    spec = small_spec(home, *FEW)
    with service_app.client(tmp_path) as browser:
        url = storage_of(browser)
        run_sweep(spec, storage=url, launcher=InlineLauncher())
        (home / "table.csv").rename(home / "tables.csv")
        assert browser.post("/v1/sweeps/small/extend", json={"trials": 6}).status_code == 200
        work(url)
        gone = "data.source: no such file: table.csv"
        assert status(url).reason == gone
        assert log(url)[-1] == f"failed: {gone}"
        job = browser.post("/v1/sweeps/small/exports", json={"format": "python"}).json()
        assert do_jobs(url, tmp_path) == {job["id"]: gone}
        write_table(home, seed=1)
        assert browser.post("/v1/sweeps/small/resume").status_code == 200
        work(url)
        assert FOLDER not in str(status(url).reason)
        assert str(status(url).reason).startswith("table.csv is not the table that was queued: its content was ")
        # What an earlier release has stored of it.
        with Store.open(url) as store:
            store.set_order("small", "failed", reason=f"data.source: no such file: {home}/table.csv; beside it: x.csv")
        service(browser).snapshots.invalidate()
        assert browser.get("/v1/sweeps/small").json()["reason"] == gone


def test_a_reason_names_no_database(tmp_path: Path, sqlite_url: str) -> None:
    """Of a sweep whose name somebody else's study has."""
    folder = str(Path(sqlite_url.removeprefix("sqlite:///")).parent)
    queue(sqlite_url, tmp_path, "name=a", *FEW)
    with Store.open(sqlite_url) as store, optuna_storage(store) as tables:
        study = optuna.create_study(study_name="a", storage=tables)
        study.set_user_attr("whose", "somebody else's")
    work(sqlite_url)
    reason = str(status(sqlite_url, "a").reason)
    assert "belongs to an Optuna study in the database that this sweep did not make" in reason
    assert folder not in reason + str(log(sqlite_url, "a"))


SHOWN = "sqlite:////home/ann/my tables/x.db"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UnreachableError(f"the database {SHOWN} cannot be used: it is locked"), "cannot be reached, or is busy"),
        (NoSpaceError(f"the database {SHOWN} cannot be used: disk full"), "has no room left"),
        (StorageError(f"the database {SHOWN} cannot be used: no host db.example"), "cannot be used"),
        (StorageError(f"the database must be writable, however: /home/ann is not ({SHOWN})"), "must be writable"),
    ],
)
def test_what_is_wrong_with_a_database_names_no_place(error: StorageError, said: str) -> None:
    assert brief(error, SHOWN) == f"the database {said}"


def test_what_an_older_database_needs_is_said() -> None:
    older = StorageError(f"{SHOWN} was written by an older sweep: `sweep storage upgrade` brings it up to date")
    wanted = "the database was written by an older sweep: `sweep storage upgrade` brings it up to date"
    assert brief(older, SHOWN) == wanted
    assert brief(UserError("as it is"), SHOWN) == "as it is"


# --- what a script reads ----------------------------------------------------------------------------------------------


def german(text: str) -> str:
    """The same table as a program of that country writes it."""
    return text.replace(",", ";").replace(".", ",")


@pytest.mark.parametrize("form", ["python", "sklearn"])
def test_a_script_reads_the_file_that_was_handed_in(
    form: str, table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its semicolons and its decimal commas, though it was kept as Parquet."""
    file = tmp_path / "german.csv"
    file.write_text(german(table))
    with service_app.client(tmp_path) as browser:
        url = storage_of(browser)
        upload = hand_in(browser, file.name, file.read_bytes())
        new = {"definition": definition(file.name, "german"), "upload": upload["id"]}
        assert browser.post("/v1/sweeps", json=new).status_code == 201
        work(url)
        job = browser.post("/v1/sweeps/german/exports", json={"format": form}).json()
        assert do_jobs(url, tmp_path) == {job["id"]: None}
        script = browser.get(f"/v1/jobs/{job['id']}/file").text
    (tmp_path / "best.py").write_text(script)
    said = io.StringIO()
    monkeypatch.setattr("sys.argv", ["best.py", str(file)])
    with redirect_stdout(said):
        _run(tmp_path / "best.py")
    assert "accuracy: " in said.getvalue() or "accuracy " in said.getvalue()


def _run(path: Path) -> dict[str, Any]:
    import runpy

    return runpy.run_path(str(path), run_name="__main__")

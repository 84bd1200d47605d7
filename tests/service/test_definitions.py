"""Definitions at the service: shipped ones, one for a table, and what is wrong with one, each where it stands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from sweep.errors import DefinitionError
from sweep.operate.orders import submit
from sweep.service.bodies import MOST_TEXT
from sweep.service.checking import checked
from sweep.service.problems import RefusedError
from sweep.spec.definition import parse, shipped_definitions
from tests.service.service_app import client, hand_in, service

TABLE = "a,b,y\n" + "".join(f"{row},{row % 7},{'no' if row % 3 else 'yes'}\n" for row in range(40))
WINE = 'name = "x"\n[data]\nsource = "sklearn:wine"\n'


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client(tmp_path_factory.mktemp("service")) as browser:
        yield browser


@pytest.fixture(scope="module")
def upload(browser: TestClient) -> dict[str, Any]:
    return hand_in(browser, "t.csv", TABLE)


def problems(browser: TestClient, definition: str, upload: str | None = None) -> dict[str, str]:
    answer = browser.post("/v1/definitions/check", json={"definition": definition, "upload": upload})
    assert answer.status_code == 200, answer.text
    return {problem["place"]: problem["said"] for problem in answer.json()["problems"]}


# --- shipped, and suggested -------------------------------------------------------------------------------------------


def test_shipped_definitions_whose_tables_are_here(browser: TestClient) -> None:
    listed = browser.get("/v1/definitions").json()["definitions"]
    assert [one["name"] for one in listed] == ["breast_cancer", "diabetes", "digits", "wine"]
    for one in listed:
        assert one["summary"].endswith(".")
        found = browser.get(f"/v1/definitions/{one['name']}").json()
        assert found["definition"] == shipped_definitions()[one["name"]].read_text()
        assert problems(browser, found["definition"]) == {}


@pytest.mark.parametrize("name", ["nope", "..%2F..%2Fpyproject", "wine.toml", "%00"])
def test_no_other_file_is_a_definition(browser: TestClient, name: str) -> None:
    assert browser.get(f"/v1/definitions/{name}").status_code == 404


def test_a_definition_for_a_table_of_scikit_learn(browser: TestClient) -> None:
    found = browser.post("/v1/definitions/suggest", json={"source": "sklearn:iris"}).json()
    assert (found["name"], found["target"], found["table"]["task"]) == ("iris", "target", "multiclass")
    assert parse(found["definition"]).data.source == "sklearn:iris"


def test_nothing_else_is_read_to_suggest_one(browser: TestClient) -> None:
    for source in ("/etc/passwd", "http://127.0.0.1:1/t.csv", "openml:40", "memory:x", "t.csv"):
        answer = browser.post("/v1/definitions/suggest", json={"source": source})
        assert (answer.status_code, answer.json()["code"]) == (422, "source")
        assert [problem["place"] for problem in answer.json()["problems"]] == ["data.source"]


# --- what is wrong with one -------------------------------------------------------------------------------------------


def test_each_problem_is_said_at_its_place(browser: TestClient, upload: dict[str, Any]) -> None:
    text = WINE + "[space]\ndropout = { low = 0.1, high = 1.5 }\nmomentun = 3\n[search]\ntrials = 0\n"
    found = problems(browser, text)
    assert found["space.dropout.high"] == "must be below 1, however: 1.5"
    assert set(found) == {"space.dropout.high", "space.momentun", "search.trials"}
    assert set(problems(browser, WINE.replace("sklearn:wine", "/etc/passwd"))) == {"data.source"}

    own = WINE.replace("sklearn:wine", "t.csv")
    assert problems(browser, own, upload["id"]) == {}
    columns = 'target = "z"\ndrop = ["a", "c"]\ngroups = "d"\ncategorical = ["e"]\n'
    found = problems(browser, own + columns, upload["id"])
    assert found["data.target"] == "there is no column 'z'; columns are 'a', 'b', 'y'"
    assert set(found) == {"data.target", "data.drop", "data.groups", "data.categorical"}
    assert set(problems(browser, own + "target = 3\n", upload["id"])) == {"data.target"}
    assert set(problems(browser, own + "header = false\n", upload["id"])) == {"data.header"}
    found = problems(browser, own + '[validation]\nmetric = "rmse"\n', upload["id"])
    assert found["validation.metric"].endswith("for classification, the task of target 'y', however: \"rmse\"")
    assert problems(browser, own + 'target = "a"\n[validation]\nmetric = "rmse"\n', upload["id"]) == {}


def test_a_sound_definition_is_understood(browser: TestClient) -> None:
    answer = browser.post("/v1/definitions/check", json={"definition": WINE}).json()
    assert (answer["problems"], answer["name"]) == ([], "x")
    assert answer["fields"]["data"]["source"] == "sklearn:wine"
    assert answer["fields"]["space"]["dropout"]["high"] < 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "x = ",
        "[data\n",
        "x = " + "[" * 60_000,
        "x = " + "[" * 30_000 + "]" * 30_000,
        "a" + ".a" * 30_000 + " = 1",
        "[a" + ' . "a"' * 10_000 + "]",
        "x = " + "{a = " * 60 + "1" + "}" * 60,
        "x = " + "9" * 60_000,
        "seed = " + "9" * 4_000,
        WINE + "[search]\ntrials = " + "9" * 4_000,
        WINE + "[network]\nhidden = [" + "1," * 30_000 + "]",
        WINE + "[space]\nmomentum = { choices = [" + ",".join(f"0.{place}" for place in range(9_000)) + "] }",
        WINE + "[space]\nmax_norm = nan\nlr_decay = inf\nlearning_rate = -inf\n",
        WINE + "\n".join(f"k{place} = 1" for place in range(6_000)),
        'name = "\\u0000"\n[data]\nsource = "\\u0000"\n',
        "name = '<script>alert(1)</script>'\n",
    ],
    ids=lambda text: text[:12],
)
def test_whatever_is_written_is_answered_at_once(browser: TestClient, text: str) -> None:
    assert len(text) <= MOST_TEXT
    start = time.process_time()
    answer = browser.post("/v1/definitions/check", json={"definition": text})
    assert time.process_time() - start < 20
    assert answer.status_code == 200
    for problem in answer.json()["problems"]:
        assert problem["said"]


def test_a_definition_has_a_size(browser: TestClient) -> None:
    answer = browser.post("/v1/definitions/check", json={"definition": "#" * (MOST_TEXT + 1)})
    assert (answer.status_code, answer.json()["detail"]) == (413, "a definition may have at most 65,536 characters")


@pytest.mark.parametrize("wrong", ["", "x", "0" * 32, "\0", "a" * 5000])
def test_no_upload_of_that_id(browser: TestClient, wrong: str) -> None:
    answer = browser.post("/v1/definitions/check", json={"definition": WINE, "upload": wrong})
    assert answer.status_code == 404
    assert len(answer.text) < 1000


# --- with its table ---------------------------------------------------------------------------------------------------


def test_what_is_submitted_has_a_table_that_no_path_leads_to(browser: TestClient) -> None:
    """A definition taken home names the file as its owner does."""
    upload = hand_in(browser, "t.csv", TABLE)
    found = checked(service(browser), upload["definition"], upload["id"], name="mine", trials=12)
    assert (found.spec.name, found.spec.search.trials, found.task) == ("mine", 12, "binary")
    assert found.upload is not None
    assert found.packed.sha256 == found.upload.table_sha256
    store = service(browser).store
    order = submit(store, found.spec, found.packed, found.task)
    assert order.source == "t.csv"
    assert parse(order.definition) == found.spec
    assert parse(order.definition).data.source == "t.csv"
    assert submit(store, found.spec, found.packed, found.task).revision >= order.revision  # the same again
    # The upload may go: the sweep has its table.
    browser.delete(f"/v1/uploads/{upload['id']}")
    assert store.stored_table(str(order.table_sha256)) == found.packed.content


def test_a_definition_without_a_number_of_trials_is_kept_within_its_space(browser: TestClient) -> None:
    few = WINE + "[space]\nplacement = 'none'\nlearning_rate = 0.1\nmomentum = 0.5\nmax_norm = 1.0\nlr_decay = 1.0\n"
    few += "weight_decay = 0.0\n"
    assert checked(service(browser), few, None).spec.search.trials == 1


def test_what_is_wrong_is_said_before_anything_is_read(browser: TestClient) -> None:
    with pytest.raises(DefinitionError, match=r"search.trials must be"):
        checked(service(browser), WINE, None, trials=0)
    with pytest.raises(DefinitionError, match=r"^name must"):
        checked(service(browser), WINE, None, name="../x")
    with pytest.raises(RefusedError, match=r"^data.source must be") as error:
        checked(service(browser), WINE.replace("sklearn:wine", "t.csv"), None)
    assert [problem.place for problem in error.value.problems] == ["data.source"]


def test_what_only_the_table_says_is_said_at_its_place_too(browser: TestClient) -> None:
    with pytest.raises(RefusedError) as error:
        checked(service(browser), WINE + 'target = "z"\n', None)
    assert error.value.status == 422
    assert [problem.place for problem in error.value.problems] == ["data.target"]

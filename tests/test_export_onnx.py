"""ONNX models: what they say against what the networks say, on rows nobody has seen and without this package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from sweep.errors import SweepError, UserError
from sweep.export import onnx_model
from sweep.export.onnx_graph import level_places
from sweep.export.onnx_inputs import Names, inputs_of
from sweep.export.onnx_model import check, to_onnx
from sweep.export.trained import Trained
from sweep.records import Task
from sweep.tables.features import FeaturePlan
from sweep.tables.load import read_for
from tests.command_line import ROOT, RUN, Program
from tests.exported import TASKS, mixed_table, trained

HELD_OUT = 40

# Reads a table by itself, as the metadata says it, in a process that has no sweep.
ELSEWHERE = """
import csv, datetime, json, sys
sys.modules["sweep"] = sys.modules["torch"] = sys.modules["pandas"] = None
import numpy as np, onnxruntime
DAY = datetime.date(1970, 1, 1)
GAPS = {"", "n/k"}  # that are no numbers; -999 and "?" are left to the model
rows = list(csv.DictReader(open("new.csv", encoding="utf-8")))
found = {}
for path in sys.argv[1:]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options)
    about = session.get_modelmeta().custom_metadata_map
    feed = {}
    for one in json.loads(about["sweep.inputs"]):
        cells = [row[one["column"]] for row in rows]
        if one["kind"] == "categorical":
            feed[one["input"]] = np.array([[cell] for cell in cells], object)
            continue
        if one["kind"] == "boolean":
            values = [np.nan if cell in GAPS else float(cell == "yes") for cell in cells]
        elif one["kind"] == "datetime":
            values = [np.nan if cell in GAPS else (datetime.date.fromisoformat(cell) - DAY).days for cell in cells]
        else:
            values = [np.nan if cell in GAPS else float(cell.strip("$ ").replace(",", "")) for cell in cells]
        feed[one["input"]] = np.array(values, float)[:, None]
    names = [output.name for output in session.get_outputs()]
    found[path] = {name: value.tolist() for name, value in zip(names, session.run(None, feed))}
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables of each task, and one of rows that no network has seen, with levels and gaps of their own."""
    folder = tmp_path_factory.mktemp("onnx")
    for task in TASKS:
        table = mixed_table(task)
        table[HELD_OUT:].to_csv(folder / f"{task}.csv", index=False)
    new = mixed_table("binary")[:HELD_OUT]
    # None of these columns had a gap before, nor these levels.
    new.loc[:2, ["site", "colour", "code"]] = ["C", "turquoise", "7"]
    new.loc[3:4, ["site", "price", "年齢"]] = ""
    new.loc[5] = ""
    new.drop(columns="label").to_csv(folder / "new.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def networks(folder: Path) -> dict[str, Trained]:
    """What the models are made of."""
    activations = dict(zip(TASKS, ("relu", "tanh", "sigmoid"), strict=True))
    tables = {task: trained(folder / f"{task}.csv", f"network.activation={activations[task]!r}") for task in TASKS}
    two = {f"{task}-two": trained(folder / f"{task}.csv", members=2) for task in ("multiclass", "regression")}
    return tables | two


@pytest.fixture(scope="module")
def models(networks: dict[str, Trained]) -> dict[str, bytes]:
    return {name: to_onnx(own) for name, own in networks.items()}


def test_a_process_without_sweep_gives_the_same_on_rows_that_nobody_has_seen(
    folder: Path, networks: dict[str, Trained], models: dict[str, bytes]
) -> None:
    for name, content in models.items():
        (folder / name).write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, *models], cwd=folder, check=True, capture_output=True, text=True
    )
    found = json.loads(done.stdout)
    for name, own in networks.items():
        applied = own.recipe.apply(read_for(own.recipe, str(folder / "new.csv"), None))
        assert {one.column for one in applied.unseen} == {"site", "colour", "code"}
        assert any("'site'" in note for note in applied.notes)  # missing, however none was before
        wanted = own.networks.predict(applied.features)
        if own.info.task == "regression":
            assert set(found[name]) == {"prediction"}
            assert wanted.std() > own.networks.target_std / 50  # it has learned something of the columns
            np.testing.assert_allclose(found[name]["prediction"], wanted, rtol=0, atol=1e-5 * own.networks.target_std)
            continue
        np.testing.assert_allclose(found[name]["probabilities"], wanted, rtol=0, atol=1e-5)
        assert found[name]["label"] == [own.info.classes[code] for code in wanted.argmax(1)]
        assert set(found[name]["label"]) == set(own.info.classes)


@pytest.mark.parametrize("task", TASKS)
def test_the_table_has_every_kind_of_column(task: Task, networks: dict[str, Trained]) -> None:
    plans = {plan.column: plan for plan in networks[task].recipe.plans}
    assert {plan.kind for plan in plans.values()} == {"numeric", "boolean", "datetime", "categorical"}
    assert plans["seconds since 1970"].shift > 1e9
    assert plans["µ"].exponent < -60
    assert (plans["colour"].rare, plans["colour"].missing) == (True, True)
    assert (plans["site"].rare, plans["site"].missing) == (False, False)
    assert plans["price"].format.startswith("money")
    assert networks[task].info.task == task


def test_inputs_are_named_as_onnx_allows_and_say_what_they_are(models: dict[str, bytes]) -> None:
    graph = onnx.load_from_string(models["binary"]).graph
    said = {value.name: value.doc_string for value in graph.input}
    assert list(said) == [
        "age",
        "seconds_since_1970",
        "column3",
        "smoker",
        "visited_on",
        "colour",
        "site",
        "gr_e_cm_2",
        "gr_e_cm_2_2",
        "column_1st",
        "probabilities_2",
        "column12",
        "code",
        "price",
    ]
    assert said["age"] == "column 'age': a number; NaN where missing"
    assert said["smoker"] == "column 'smoker': 1 for 'yes', 0 for 'no'; NaN where missing"
    assert "'größe \"cm\", 2'" in said["gr_e_cm_2"]
    assert "days since 1970-01-01" in said["visited_on"]
    assert "amounts of money such as $ 1,234.5" in said["price"]
    assert "one of 'A', 'B'; others are none of them; \"\" where missing" in said["site"]
    assert "others count as rare ones" in said["colour"]
    double, text = onnx.TensorProto.DOUBLE, onnx.TensorProto.STRING
    for value in graph.input:
        tensor = value.type.tensor_type
        assert tensor.elem_type == (text if value.name in ("colour", "site", "code") else double)
        assert [size.dim_param or size.dim_value for size in tensor.shape.dim] == ["n", 1]


def test_it_carries_what_is_known_and_nothing_from_elsewhere(
    networks: dict[str, Trained], models: dict[str, bytes]
) -> None:
    own, model = networks["multiclass-two"], onnx.load_from_string(models["multiclass-two"])
    about = {entry.key.removeprefix("sweep."): entry.value for entry in model.metadata_props}
    honest = own.summary.honest
    assert honest is not None
    assert (about["name"], about["trial"], about["epoch"], about["networks"]) == ("mixed", "12", "11", "2")
    assert json.loads(about["classes"]) == ["low", "middle", "übergroß"]
    assert json.loads(about["honest_score"]) == {"value": honest.value, "low": honest.low, "high": honest.high}
    assert about["data_hash"] == own.info.content_hash
    assert {"dropout-sweep", "torch", "onnx", "onnxruntime"} <= set(json.loads(about["versions"]))
    assert json.loads(about["params"]) == own.best.hyperparameters.to_dict()
    assert "trial 12 of the sweep mixed" in model.doc_string
    assert "honest: " in model.doc_string
    assert {one.domain for one in model.opset_import} == {"", "ai.onnx.ml"}
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx.ml"}
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert to_onnx(own) == models["multiclass-two"]  # the same again


# --- one column at a time ---------------------------------------------------------------------------------------------


def test_names_are_distinct_whatever_columns_are_called() -> None:
    columns = ["a b", "a-b", "a_b", "a_b_2", "", "  ", "7", "label", "é", "int"]
    inputs = inputs_of([FeaturePlan(column, "numeric") for column in columns], Names(["label"]))
    names = [one.name for one in inputs]
    assert names == ["a_b", "a_b_2", "a_b_3", "a_b_2_2", "column5", "column6", "column_7", "label_2", "column9", "int"]


def test_numbers_for_levels_may_be_written_in_two_ways() -> None:
    plan = FeaturePlan("code", "categorical", ("1", "2.5"), rare=True, missing=True, format="1234.5")
    places = level_places(plan, frozenset({"-9", "n/k"}))
    assert (places["1"], places["1.0"], places["2.5"]) == (0, 0, 1)
    assert {places[gap] for gap in ("", "NA", "?", "-9", "-9.0", "n/k")} == {3}
    words = FeaturePlan("code", "categorical", ("1", "2.5"), format="")
    assert "1.0" not in level_places(words, frozenset())
    assert level_places(words, frozenset())[""] == 2  # nowhere


def test_numbers_near_the_smallest_there_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(4, 0.5, 60)
    lines = [
        f"{value:.6f}e-310,{other:.3f},{'yes' if value > 4 else 'no'}" for value, other in zip(x, x[::-1], strict=True)
    ]
    (tmp_path / "x.csv").write_text("\n".join(["tiny,b,label", *lines, ""]))
    own = trained(tmp_path / "x.csv", "data.categorical=[]")
    exponent = own.recipe.plans[0].exponent
    assert exponent < -1000
    assert exponent % 2  # its two steps differ
    to_onnx(own)


# --- refusals ---------------------------------------------------------------------------------------------------------


def damaged(content: bytes, wanted: str, change: float) -> bytes:
    """A model with one of its weights moved."""
    model = onnx.load_from_string(content)
    (tensor,) = (one for one in model.graph.initializer if one.name == wanted)
    values: NDArray[Any] = numpy_helper.to_array(tensor).copy()
    values[(0,) * values.ndim] += change
    tensor.CopyFrom(numpy_helper.from_array(values, wanted))
    moved: bytes = model.SerializeToString()
    return moved


@pytest.mark.parametrize(
    ("name", "tensor", "change"),
    [
        ("binary", "bias2", 1e-3),
        ("multiclass", "weight0", 0.05),
        ("regression", "bias2", 1e-4),
        ("binary", "mean", 1),
        ("regression", "bias2", np.nan),
    ],
)
def test_a_model_that_says_something_else_is_refused(
    name: str, tensor: str, change: float, networks: dict[str, Trained], models: dict[str, bytes]
) -> None:
    own = networks[name]
    inputs = inputs_of(own.recipe.plans, Names(["label", "probabilities", "prediction"]))
    check(models[name], inputs, own)
    with pytest.raises(
        SweepError, match=r"apart on 120 rows of .*, where 1e-05 is allowed; nothing was written"
    ) as said:
        check(damaged(models[name], tensor, change), inputs, own)
    assert said.value.exit_status == 1


def test_networks_too_large_for_one_file_are_refused(
    networks: dict[str, Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.export.onnx_graph.LARGEST_FILE", 1000)
    with pytest.raises(UserError, match=r"must be below 2 GiB, however 2 networks .* a smaller ensemble fits"):
        to_onnx(networks["multiclass-two"])


# --- from the command line --------------------------------------------------------------------------------------------


def test_from_a_sweep_to_a_file(small: Program) -> None:
    small(*RUN)
    assert "wrote best.onnx" in small("export", "small", "--format", "onnx", "-o", "best.onnx", "--ensemble", "2").err
    session = onnxruntime.InferenceSession(small.folder / "best.onnx")
    about = session.get_modelmeta().custom_metadata_map
    best = small.json("best", "small")
    assert about["sweep.networks"] == "2"
    assert json.loads(about["sweep.raw_score"]) == best["score"]
    assert json.loads(about["sweep.honest_score"]) == best["honest_score"]
    frame = pd.read_csv(small.folder / "table.csv")
    label, shares = session.run(None, {name: frame[[name]].to_numpy(np.float64) for name in "abc"})
    assert set(label) <= {"no", "yes"}
    np.testing.assert_allclose(shares.sum(1), 1)

    before = (small.folder / "best.onnx").read_bytes()
    assert "exists already" in small("export", "small", "--format", "onnx", "-o", "best.onnx", status=2).err
    (small.folder / "table.csv").write_text((small.folder / "table.csv").read_text().replace("yes", "oui"))
    changed = small("export", "small", "--format", "onnx", "-o", "other.onnx", status=2).err
    assert "has changed since the sweep small ran on it" in changed
    assert (small.folder / "best.onnx").read_bytes() == before
    assert not (small.folder / "other.onnx").exists()


def test_a_model_that_is_wrong_is_no_file(small: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    small(*RUN)
    real = onnx_model._model

    def broken(own: Trained) -> Any:
        weights = tuple(weight + np.float32(0.1) for weight in own.networks.weights)
        return real(replace(own, networks=replace(own.networks, weights=weights)))

    monkeypatch.setattr(onnx_model, "_model", broken)
    said = small("export", "small", "--format", "onnx", "-o", "best.onnx", status=1).err
    assert "the ONNX model does not say what the trained network says" in said
    assert list(small.folder.glob("*best.onnx*")) == []


def test_without_its_packages_it_says_what_to_install(small: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    small(*RUN)
    arguments = ("export", "small", "--format", "onnx", "-o", "best.onnx")
    blocked = "import sys; sys.modules['onnxruntime'] = None\nfrom sweep.cli.main import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", blocked, *arguments],
        cwd=small.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    monkeypatch.setitem(sys.modules, "onnx", None)
    for said in (done.stderr, small(*arguments, status=2).err):
        assert said.startswith("error: the format onnx needs the packages onnx and onnxruntime, however: ")
        assert "pip install 'dropout-sweep[onnx]'" in said
    assert not (small.folder / "best.onnx").exists()


def test_it_goes_to_a_file_alone_and_with_an_ensemble_only_where_there_are_networks(small: Program) -> None:
    said = small("export", "small", "--format", "onnx", status=2).err
    assert "the format onnx must be written to a file, however: standard output" in said
    said = small("export", "small", "--ensemble", "2", status=2).err
    assert "the ensemble is for the formats onnx and sklearn, however: toml" in said

"""The folder of a model: written whole, read only as it was written."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from sweep.errors import ModelError, UserError
from sweep.model import folder
from sweep.model.folder import FILES, FolderTarget, read_model
from sweep.model.model import Model
from tests.model.worlds import World

ROOT = Path(__file__).parents[2]


def write(target: FolderTarget, model: Model) -> None:
    target.write(model, config="config\n", card="card\n")


# --- writing ----------------------------------------------------------------------------------------------------------


def test_its_files_are_plain_and_its_manifest_has_their_hashes(written: Path) -> None:
    assert sorted(path.name for path in written.iterdir()) == sorted([*FILES, "manifest.json"])
    manifest = json.loads((written / "manifest.json").read_text())
    assert (manifest["kind"], manifest["format"]) == ("dropout-sweep model", 1)
    for name in FILES:
        content = (written / name).read_bytes()
        assert manifest["files"][name] == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    tensors = load_file(written / "weights.safetensors")
    assert {name: tensor.shape for name, tensor in tensors.items()} == {
        "weight1": (1, 8, 6),
        "bias1": (1, 6),
        "weight2": (1, 6, 4),
        "bias2": (1, 4),
        "weight3": (1, 4, 1),
        "bias3": (1, 1),
    }
    about = json.loads((written / "preprocessing.json").read_text())
    assert len(about["features"]) == len(about["mean"]) == 8
    assert about["classes"] == ["sick", "well"]


def test_a_folder_has_the_permissions_of_any_new_folder(written: Path, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(FolderTarget(tmp_path / "mine"), read_model(written))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o750
    assert stat.S_IMODE((tmp_path / "mine" / "card.md").stat().st_mode) == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_only_a_model_is_replaced_and_only_when_asked(model: Path, tmp_path: Path) -> None:
    made = read_model(model)
    with pytest.raises(UserError, match=r"model exists already: .*--force"):
        write(FolderTarget(model), made)
    write(FolderTarget(model, force=True), made)
    assert (model / "card.md").read_text() == "card\n"
    (model / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"holds what is not of the model \(notes\.txt\)"):
        write(FolderTarget(model, force=True), made)
    other = tmp_path / "other"
    other.mkdir()
    for manifest in ("", "[" * 100_000):
        (other / "manifest.json").write_text(manifest)
        with pytest.raises(UserError, match="other exists already, and is no model"):
            write(FolderTarget(other, force=True), made)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match=r"must be a folder, however: .*file is a file"):
        write(FolderTarget(tmp_path / "file", force=True), made)
    with pytest.raises(UserError, match=r"must exist, however: no .*nowhere"):
        write(FolderTarget(tmp_path / "nowhere" / "model"), made)
    with pytest.raises(UserError, match="cannot be written: File name too long"):
        write(FolderTarget(tmp_path / ("x" * 300)), made)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "model", "other"]


def test_a_folder_with_the_database_or_the_table_is_never_replaced(model: Path, tmp_path: Path) -> None:
    made = read_model(model)
    for place in (model, tmp_path):
        with pytest.raises(UserError, match="holds the database, and is never replaced"):
            write(FolderTarget(place, force=True, never={model / "sweep.db": "the database"}), made)
    assert read_model(model).trial == made.trial


def test_a_link_stays_a_link(model: Path, tmp_path: Path) -> None:
    made, link = read_model(model), tmp_path / "link"
    link.symlink_to(model)
    write(FolderTarget(link, force=True), made)
    assert link.is_symlink()
    assert (model / "card.md").read_text() == "card\n"


def test_what_fails_on_the_way_leaves_the_earlier_model(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, rename = read_model(model), Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path.suffix == ".part":
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(UserError, match="cannot be written: No space left on device"):
        write(FolderTarget(model, force=True), made)
    assert read_model(model).trial == made.trial
    assert list(tmp_path.iterdir()) == [model]


@pytest.mark.parametrize(("existing", "left"), [(False, 0), (False, 4), (True, 1)])
def test_killed_while_it_is_written_nothing_half_is_there(
    written: Path, tmp_path: Path, existing: bool, left: int
) -> None:
    """A process that is killed in the middle of a file; what is there is the earlier model, or none."""
    code = f"""
import os, signal, sys
from pathlib import Path
from sweep.model.folder import FolderTarget, read_model
model, left = read_model({str(written)!r}), int(sys.argv[1])
write = Path.write_bytes
def killed(path, content):
    global left
    write(path, content[: len(content) // 2] if left == 0 else content)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
Path.write_bytes = killed
FolderTarget(Path(sys.argv[2]), force=True).write(model, config="new", card="new")
"""
    place = tmp_path / "model"
    if existing:
        write(FolderTarget(place), read_model(written))
    command = [sys.executable, "-c", code, str(left), str(place)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9
    assert place.exists() == existing
    if existing:
        assert read_model(place).trial == read_model(written).trial
        assert (place / "card.md").read_text() == "card\n"


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_a_file_that_is_missing_is_named(model: Path, name: str) -> None:
    (model / name).unlink()
    with pytest.raises(ModelError, match=rf"the model .* cannot be used: {re.escape(name)} is missing"):
        read_model(model)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_changed_is_named(model: Path, name: str) -> None:
    content = bytearray((model / name).read_bytes())
    content[-2] ^= 1
    (model / name).write_bytes(content)
    with pytest.raises(ModelError, match=rf"{re.escape(name)} was changed since it was written: its SHA-256 was"):
        read_model(model)
    (model / name).write_bytes(content[:-1])
    with pytest.raises(ModelError, match=rf"{re.escape(name)} was changed since it was written: it had [\d,]+ bytes"):
        read_model(model)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no such folder"):
        read_model(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ModelError, match="it is a file, not a folder"):
        read_model(tmp_path / "file")
    for content, said in (
        ("{", "manifest.json is not in the format of JSON"),
        ("NaN", "NaN is no number there"),
        ("[]", "must have a format number of at least 1"),
        ('{"format": true}', "must have a format number of at least 1, however: True"),
        ('{"format": 1}', "must say that it is of a dropout-sweep model"),
        ('{"format": 1, "kind": "dropout-sweep model"}', "must list weights.safetensors, "),
        ('{"format": 1, "kind": "dropout-sweep model", "files": {"../x": {}}}', "must list weights.safetensors, "),
    ):
        (tmp_path / "manifest.json").write_text(content)
        with pytest.raises(ModelError, match=re.escape(said)):
            read_model(tmp_path)


def forged(model: Path, change: Callable[[dict[str, Any]], object], name: str = "preprocessing.json") -> None:
    """Changes a JSON file; the manifest says that this is how it was written."""
    content = json.loads((model / name).read_text())
    change(content)
    (model / name).write_text(json.dumps(content))
    if name != "manifest.json":
        sealed(model)


def sealed(model: Path) -> None:
    """Sizes and hashes in the manifest are those of the files."""
    manifest = json.loads((model / "manifest.json").read_text())
    for name in FILES:
        content = (model / name).read_bytes()
        manifest["files"][name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (model / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("name", ["manifest.json", "preprocessing.json"])
def test_a_newer_format_asks_for_a_newer_program(model: Path, name: str) -> None:
    forged(model, lambda content: content.update(format=2), name)
    with pytest.raises(ModelError, match=rf"{name} has format 2, and this program reads up to 1: update this program"):
        read_model(model)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("task", "ranking", "task must be binary, multiclass or regression, however: 'ranking'"),
        ("task", "multiclass", "classes must be 3 distinct texts or more where task is multiclass"),
        ("classes", ["well", "well"], "classes must be 2 distinct texts where task is binary"),
        ("classes", "sick", "classes must be 2 distinct texts"),
        ("metric", "rmse", "metric must be one of accuracy, "),
        ("activation", "gelu", "activation must be one of relu, tanh, sigmoid, however: 'gelu'"),
        ("dropout", [0.5, 1.0, 0.2], "dropout must be 2 rates or more below 1"),
        ("dropout", "none", "dropout must be a list of numbers"),
        ("mean", [0.0], "mean must be 8 numbers, one for each feature, however: 1"),
        ("target_mean", 10**400, "target_mean must be a finite number, however: 1000"),
        ("classes", ["\ud800", "well"], "is not in the format of JSON ('utf-8' codec can't encode character '\\ud800'"),
        ("inverse_std", [None] * 8, "inverse_std[0] must be a finite number, however: None"),
        ("mean", [1e300] * 8, "mean must be numbers of float32"),
        ("target_std", 0, "target_std must be above 0"),
        ("target", "z", "target must be that of the recipe, 'y', however: 'z'"),
        ("features", ["age"], "features must be the 8 of the recipe, however: 1 of them"),
        ("recipe", {}, "recipe: the recipe must have the keys"),
        ("trial", -1, "trial must be a whole number of at least 0"),
        ("sweep", 3, "sweep must be a text, however: 3"),
    ],
)
def test_data_that_cannot_be_are_named(model: Path, key: str, value: Any, said: str) -> None:
    forged(model, lambda content: content.update({key: value}))
    with pytest.raises(ModelError, match=rf"preprocessing\.json:? {re.escape(said)}"):
        read_model(model)


def test_a_key_that_is_missing_is_named(model: Path) -> None:
    forged(model, lambda content: content.pop("mean"))
    with pytest.raises(ModelError, match=r"preprocessing\.json: it must have the keys .*, however: without mean"):
        read_model(model)


WRONG_TENSORS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "missing": (lambda t: t.pop("bias2"), "tensor bias2 is missing (needed are weight1, bias1, weight2, "),
    "another": (lambda t: t.update(extra=t["bias1"]), "tensors must be weight1, "),
    "shape": (
        lambda t: t.update(bias2=t["bias2"][:, :3].copy()),
        "tensor bias2 must have the shape [1, 4], however: [1, 3]",
    ),
    "axes": (lambda t: t.update(weight1=t["weight1"][0]), "tensor weight1 must have the shape"),
    "features": (
        lambda t: t.update(weight1=t["weight1"][:, :7].copy()),
        "tensor weight1 must have the shape [1, 8, 6]",
    ),
    "outputs": (
        lambda t: t.update(weight3=np.zeros((1, 4, 2), np.float32)),
        "tensor weight3 must have the shape [1, 4, 1]",
    ),
    "members": (
        lambda t: t.update(weight2=np.zeros((2, 6, 4), np.float32)),
        "tensor weight2 must have the shape [1, 6, 4]",
    ),
    "none": (
        lambda t: t.update({k: v[:0] for k, v in t.items()}),
        "tensor weight1 must have the shape [1, 8, 6], however: [0",
    ),
    "type": (lambda t: t.update(bias1=t["bias1"].astype(np.float64)), "tensor bias1 must be float32, however: float64"),
    "nan": (lambda t: t["weight2"].fill(np.nan), "tensor weight2 must be finite throughout"),
}


@pytest.mark.parametrize("what", WRONG_TENSORS)
def test_tensors_that_cannot_be_are_named(model: Path, what: str) -> None:
    change, said = WRONG_TENSORS[what]
    tensors = dict(load_file(model / "weights.safetensors"))
    change(tensors)
    save_file(tensors, model / "weights.safetensors")
    sealed(model)
    with pytest.raises(ModelError, match=re.escape(f"weights.safetensors: {said}")):
        read_model(model)


def test_weights_in_another_format_are_refused(model: Path) -> None:
    (model / "weights.safetensors").write_bytes(b"\x80\x04pickle")
    sealed(model)
    with pytest.raises(ModelError, match=r"weights\.safetensors is not in the format of safetensors"):
        read_model(model)


def test_a_model_can_be_written_again_and_stays_the_same(written: Path, tmp_path: Path, binary: World) -> None:
    made = read_model(written)
    write(FolderTarget(tmp_path / "again"), made)
    for name in ("weights.safetensors", "preprocessing.json"):
        assert (tmp_path / "again" / name).read_bytes() == (written / name).read_bytes()
    with pytest.raises(UserError, match="passes must be 0, or a whole number of at least 2"):
        made.predict(None, passes=1)  # type: ignore[arg-type]  # it is refused before
    with pytest.raises(UserError, match="unseen must be error or ignore, however: keep"):
        made.predict(None, unseen="keep")  # type: ignore[arg-type]  # as above
    assert folder.FORMAT == 1
    assert replace(made, trial=3).trial == 3

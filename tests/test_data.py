from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from sweep.data import Dataset, load_dataset
from sweep.errors import DataError, NotFoundError
from sweep.records import ALIGN
from sweep.spec.definition import parse

ROWS = 40


def load(path: Path | str, extra: str = "", **data: str) -> Dataset:
    keys = "".join(f"{key} = {value}\n" for key, value in data.items())
    text = f'format = 1\nname = "t"\n[data]\nsource = "{path}"\n{keys}{extra}'
    return load_dataset(parse(text, Path(path) if Path(path).is_absolute() else None))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Forty rows: two columns of numbers, one with gaps, a category, a target of each kind."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "a": rng.normal(size=ROWS),
            "b": np.where(np.arange(ROWS) % 7 == 0, np.nan, rng.normal(size=ROWS)),
            "c": np.where(np.arange(ROWS) % 3 == 0, "red", "blue"),
            "patient": np.arange(ROWS) // 4,
            "yes": np.where(rng.random(ROWS) < 0.5, "yes", "no"),
            "three": np.arange(ROWS) % 3,
            "amount": rng.normal(loc=150, scale=70, size=ROWS),
        }
    )
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    return path


def test_binary(table: Path) -> None:
    data = load(table, target='"yes"', drop='["three", "amount"]', groups='"patient"')
    assert data.features.dtype == torch.float32
    assert data.features.shape == (ROWS, ALIGN)
    assert data.info.features == ("a", "b", "c=blue", "c=red")
    assert data.target.dtype == torch.float32
    frame = pd.read_csv(table)
    assert data.target.tolist() == (frame["yes"] == "yes").astype(float).tolist()
    assert data.features[:, 0].numpy() == pytest.approx(frame["a"].to_numpy(np.float32))
    assert torch.isnan(data.features[:, 1]).tolist() == frame["b"].isna().tolist()
    assert bool((data.features[:, 4:] == 0).all())
    assert data.has_missing
    assert data.groups is not None
    assert data.groups.tolist() == (np.arange(ROWS) // 4).tolist()
    assert data.info.outputs == 1


def test_multiclass(table: Path) -> None:
    data = load(table, target='"three"', drop='["b"]')
    assert data.target.dtype == torch.int64
    assert data.target.tolist() == (np.arange(ROWS) % 3).tolist() == data.original_target().tolist()
    assert data.info.outputs == 3
    assert not data.has_missing
    assert data.groups is None


def test_regression_in_original_units(table: Path) -> None:
    data = load(table, target='"amount"')
    assert data.target.dtype == torch.float32
    assert data.target.mean().item() == pytest.approx(0, abs=1e-6)
    assert data.target.numpy().std() == pytest.approx(1, abs=1e-6)
    assert data.original_target() == pytest.approx(pd.read_csv(table)["amount"].to_numpy(), rel=1e-5)


def test_a_regression_target_far_from_zero_keeps_its_differences(table: Path) -> None:
    frame = pd.read_csv(table)
    near = load(table, target='"amount"')
    frame.assign(amount=frame["amount"] + 1.7e9).to_csv(table, index=False)
    far = load(table, target='"amount"')
    np.testing.assert_allclose(far.target.numpy(), near.target.numpy(), atol=1e-6)
    np.testing.assert_allclose(far.original_target() - 1.7e9, near.original_target(), atol=1e-4)


def test_to_does_not_copy_what_is_there(table: Path) -> None:
    data = load(table)
    assert data.to("cpu").features.data_ptr() == data.features.data_ptr()
    assert data.to("cpu").info is data.info


@pytest.mark.parametrize("features", [1, 15, 16, 17, 32, 33])
def test_width_is_padded(tmp_path: Path, features: int) -> None:
    rng = np.random.default_rng(features)
    frame = pd.DataFrame(rng.normal(size=(20, features))).add_prefix("x")
    frame["y"] = np.arange(20) % 2
    frame.to_parquet(tmp_path / "t.parquet")
    data = load(tmp_path / "t.parquet")
    assert data.features.shape[1] == -(-features // 16) * 16
    assert bool((data.features[:, features:] == 0).all())
    assert data.features[:, :features].numpy() == pytest.approx(frame.to_numpy(np.float32)[:, :features])


def test_relative_to_the_definition(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    text = 'format = 1\nname = "t"\n[data]\nsource = "t.csv"\n'
    assert load_dataset(parse(text, tmp_path / "t.toml")).info.rows == ROWS
    with pytest.raises(NotFoundError, match=r"no such file: t\.csv"):
        load_dataset(parse(text))


def test_errors_pass_through(table: Path) -> None:
    with pytest.raises(DataError, match="did you mean 'amount'"):
        load(table, target='"amounts"')

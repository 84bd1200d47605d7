"""A definition and its table: what does not fit is said all at once, each with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweep.errors import DataError, DefinitionError, NotFoundError
from sweep.run.prepare import KEPT_ROWS, kept_rows, prepare
from sweep.spec.definition import parse


@pytest.fixture
def definition(tmp_path: Path) -> Path:
    """The file of a definition beside a table of twenty rows: two targets, of two classes and of numbers."""
    lines = [f"{row * 7 % 13},{'yes' if row % 2 else 'no'},{row * 1.5 + 0.25}" for row in range(20)]
    (tmp_path / "t.csv").write_text("\n".join(["a,answer,amount", *lines]))
    return tmp_path / "x.toml"


def problems(definition: Path, data: str, more: str = "") -> tuple[str, ...]:
    with pytest.raises(DefinitionError) as caught:
        prepare(parse(f"[data]\n{data}\n{more}", definition))
    return caught.value.problems


GRID = '[search]\nsampler = "grid"\n[space]\nplacement = "none"\nlearning_rate = 0.1\nmomentum = 0.9\nlr_decay = 1.0\n'


def test_what_does_not_fit_the_task_that_was_found(definition: Path) -> None:
    (only,) = problems(definition, 'source = "t.csv"\ntarget = "answer"', '[validation]\nmetric = "rmse"\nfolds = 5')
    assert only.startswith("validation.metric must be one of accuracy, balanced_accuracy")
    assert only.endswith(f"for classification, the task of target 'answer' of t.csv, however: \"rmse\" ({definition})")
    found = problems(
        definition,
        'source = "t.csv"\ntarget = "amount"',
        '[validation]\nmetric = "f1"\nscheme = "stratified"\n[training]\nclass_weight = "balanced"',
    )
    assert [line.split(" must")[0] for line in found] == [
        "training.class_weight",
        "validation.scheme",
        "validation.metric",
    ]
    assert all(line.endswith(f"({definition})") for line in found)


def test_grid_task_and_folds_come_together(definition: Path) -> None:
    found = problems(
        definition, 'source = "t.csv"\ntarget = "amount"', f'{GRID}[validation]\nmetric = "f1"\nfolds = 30'
    )
    assert [line.split(" must")[0].split(" are too few")[0] for line in found] == [
        "space.max_norm",
        "validation.metric",
        "t.csv: 20 rows",
    ]
    assert found[0].endswith(f"({definition})")


def test_grid_and_table_come_together(definition: Path) -> None:
    found = problems(definition, 'source = "no.csv"', GRID)
    assert found[0].startswith("space.max_norm must ")
    assert "no.csv" in found[1]
    assert len(found) == 2


def test_one_problem_is_the_error_it_is(definition: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no\.csv"):
        prepare(parse('[data]\nsource = "no.csv"', definition))
    with pytest.raises(DataError, match="at least 11 rows"):
        prepare(parse('[data]\nsource = "t.csv"\ntarget = "answer"\n[validation]\nfolds = 11', definition))


# --- rows whose predictions are stored --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "most"), [(1, 20_000), (12, 20_000), (60, 20_000), (120, 10_000), (600, 2_000), (10_000, 2_000)]
)
def test_the_more_numbers_a_row_has_the_fewer_rows_are_kept(numbers: int, most: int) -> None:
    """Outputs x repeats x checkpoints, 1.2 million in all: but never under 2,000 rows."""
    kept = kept_rows(most + 1, seed=3, numbers=numbers)
    assert kept is not None
    assert len(set(kept.tolist())) == len(kept) == most
    assert kept.tolist() == sorted(kept.tolist())
    assert kept_rows(most, seed=3, numbers=numbers) is None


def test_which_rows_are_kept_is_settled_by_the_seed_of_the_sweep() -> None:
    """Equal definitions keep the same rows, wherever they run."""
    first, again, other = (kept_rows(30_000, seed=seed) for seed in (3, 3, 4))
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.tolist() == again.tolist() != other.tolist()
    assert first[-1] >= KEPT_ROWS, "a sample of all rows, not the first ones"


def test_without_a_choice_of_the_epoch_more_rows_fit(definition: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweep.run.prepare.KEPT_NUMBERS", 100)
    monkeypatch.setattr("sweep.run.prepare.FEWEST_KEPT_ROWS", 5)
    text = '[data]\nsource = "t.csv"\ntarget = "answer"\n[validation]\nfolds = 5\n[training]\nepochs = 40\n'
    best, last = (prepare(parse(f'{text}stop = "{stop}"', definition)).folds.kept_rows for stop in ("best", "last"))
    assert best is not None
    assert len(best) == 100 // 12
    assert last is None, "all twenty"

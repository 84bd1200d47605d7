from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.suggest.sizes import fit


def test_small_tables_take_many_epochs_of_small_batches() -> None:
    sonar = fit(rows=208, features=60, outputs=1, smallest=97)
    assert (sonar.epochs, sonar.batch_size, sonar.folds, sonar.trials) == (300, 16, 10, 128)
    assert sonar.hidden == (64, 32)


def test_large_tables_take_few_epochs_of_large_batches() -> None:
    small, large, huge = (fit(rows, 30, 1, rows // 3) for rows in (500, 50_000, 2_000_000))
    assert small.epochs > large.epochs > huge.epochs
    assert small.batch_size < large.batch_size < huge.batch_size
    assert small.folds > large.folds >= huge.folds


def test_network_follows_the_features() -> None:
    widths = [fit(600, features, 1, 200).hidden[0] for features in (3, 40, 60, 300)]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]
    assert fit(150, 4, 3, 50).hidden < fit(2000, 4, 3, 500).hidden


def test_folds_never_exceed_the_rarest_class() -> None:
    assert [fit(500, 5, 1, smallest).folds for smallest in (2, 3, 7, 10, 50)] == [2, 3, 7, 10, 10]


def test_folds_where_a_class_is_too_rare_for_any() -> None:
    assert fit(500, 5, 1, 1).folds == 10
    assert fit(20, 5, 1, None).folds == 5


@settings(max_examples=200, deadline=None)
@given(
    rows=st.integers(4, 3_000_000),
    features=st.integers(1, 5_000),
    outputs=st.integers(1, 100),
    rarest=st.floats(0, 0.5),
    regression=st.booleans(),
)
def test_any_table_gets_a_sweep_that_can_run(
    rows: int, features: int, outputs: int, rarest: float, regression: bool
) -> None:
    smallest = None if regression else max(1, int(rarest * rows))
    sizes = fit(rows, features, outputs, smallest)
    assert 2 <= sizes.epochs <= 300
    assert 2 <= sizes.folds <= 10
    assert sizes.folds <= rows // 2
    assert smallest is None or smallest < 2 or sizes.folds <= smallest
    assert sizes.trials % 4 == 0
    assert 16 >= min(sizes.hidden) >= 8 or min(sizes.hidden) in (32, 64)
    assert sizes.seconds > 0
    # Beyond the time allowed only where nothing is left to give up.
    assert sizes.seconds < 200 or (sizes.trials, sizes.epochs) == (16, 2)


def test_time_grows_with_the_work() -> None:
    seconds = [fit(rows, 30, 1, rows // 3).seconds for rows in (1_000_000, 3_000_000, 9_000_000)]
    assert all(later > earlier for earlier, later in itertools.pairwise(seconds))

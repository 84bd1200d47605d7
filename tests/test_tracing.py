"""What coverage traces: see :mod:`tests.tracing`."""

from __future__ import annotations

import pytest
from coverage import Coverage


@pytest.mark.parametrize("case", ["first", "second"])
def test_the_first_case_of_a_test_is_traced_and_no_other(case: str, pytestconfig: pytest.Config) -> None:
    """Nor is it by a tracer that nobody has asked for, where pytest-xdist has several processes."""
    measured = bool(pytestconfig.getoption("cov_source")) and not pytestconfig.getoption("no_cov")
    assert (Coverage.current() is not None) == (measured and case == "first")

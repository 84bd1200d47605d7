import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sweep.errors import StorageError
from sweep.store.codec import FLOAT16_MAX, pack, pack_half, unpack, unpack_half

_shapes = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=7)


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.float64, _shapes))
def test_float64_comes_back_bit_for_bit(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    back = unpack(pack(values, "<f8"), "<f8", values.shape)
    assert back.tobytes() == values.tobytes()
    assert back.dtype == np.float64
    assert back.flags.writeable


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(np.int64, _shapes))
def test_int64_comes_back(values: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> None:
    np.testing.assert_array_equal(unpack(pack(values, "<i8"), "<i8", values.shape), values)


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.float32, (5, 2), elements=st.floats(width=32)))
def test_half_is_finite_where_it_was_not_nan(values: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
    back = unpack_half(pack_half(values), (5, 2))
    assert back.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(back), np.isnan(values))
    np.testing.assert_array_equal(back, np.clip(values, -FLOAT16_MAX, FLOAT16_MAX).astype(np.float16))
    assert not np.isinf(back).any()


def test_bytes_are_little_endian_whatever_the_array_was() -> None:
    assert zlib.decompress(pack(np.array([1.5], dtype=">f8"), "<f8")) == np.array([1.5], dtype="<f8").tobytes()
    assert zlib.decompress(pack(np.arange(6).reshape(2, 3).T, "<i8")) == np.array([0, 3, 1, 4, 2, 5], "<i8").tobytes()


@pytest.mark.parametrize("blob", [b"", b"no zlib", pack([1.0, 2.0, 3.0], "<f8"), pack([1.0, 2.0], "<f8")[:-3]])
def test_damaged_bytes_are_one_clear_error(blob: bytes) -> None:
    with pytest.raises(StorageError, match=r"a stored array \(<f8, 1 x 2\) is damaged"):
        unpack(blob, "<f8", (1, 2))

import numpy as np
import pyarrow as pa
import pytest

from components._shared.label import LabelKind
from components.draft_schema.leaks import is_leak, measure_alone

ROWS = 2000
RANDOM = np.random.default_rng(1)
BINARY = (RANDOM.random(ROWS) < 0.3) * 1.0
CLASSES = RANDOM.integers(0, 3, ROWS) * 1.0
NUMBER = RANDOM.normal(size=ROWS)


def alone(values, target, kind):
    return measure_alone(pa.chunked_array([pa.array(values)]), target, kind)


@pytest.mark.parametrize(("target", "kind"), [(BINARY, "binary"), (CLASSES, "multiclass"), (NUMBER, "numeric")])
def test_a_copy_tells_all_and_noise_nothing(target, kind):
    kind = LabelKind(kind)
    copy, noise = alone(target * 3 + 1, target, kind), alone(RANDOM.normal(size=ROWS), target, kind)
    assert copy > 0.98
    assert noise < 0.15
    assert is_leak(copy, ROWS, kind)
    assert not is_leak(noise, ROWS, kind)


def test_whole_numbers_beyond_the_exact_ones_of_a_float_are_measured():
    assert alone([10**17 + 3 * number for number in range(ROWS)], BINARY, LabelKind.BINARY) < 0.15


def test_a_code_of_texts_for_each_row_tells_nothing():
    assert alone([f"n{number}" for number in range(ROWS)], BINARY, LabelKind.BINARY) < 0.15


def test_gaps_can_tell_the_label():
    values = np.where(BINARY == 1, np.arange(ROWS) % 5, None).tolist()
    assert alone(values, BINARY, LabelKind.BINARY) > 0.98


def test_a_flag_that_nearly_always_agrees_is_a_leak_where_a_good_measurement_is_none():
    flag = np.where(RANDOM.random(ROWS) < 0.02, 1 - BINARY, BINARY).astype(np.int64)
    measurement = BINARY * 3.2 + RANDOM.normal(size=ROWS)
    flag_tells, measurement_tells = alone(flag, BINARY, LabelKind.BINARY), alone(measurement, BINARY, LabelKind.BINARY)
    assert flag_tells == pytest.approx(measurement_tells, abs=0.04)
    assert is_leak(flag_tells, 2, LabelKind.BINARY)
    assert not is_leak(measurement_tells, ROWS, LabelKind.BINARY)

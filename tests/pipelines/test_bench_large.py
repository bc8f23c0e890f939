import pytest

from pipelines.bench_large import compare


def figures(rows, **cpu_seconds):
    return {"rows": rows, "stages": [{"stage": name, "cpu_seconds": seconds} for name, seconds in cpu_seconds.items()]}


def test_a_stage_is_compared_by_its_cost_per_row():
    small, large = figures(1_000_000, train_model=12.0), figures(10_000_000, train_model=66.0)
    (row,) = compare(small, large)
    assert (row["small"], row["large"], row["next"]) == pytest.approx((12.0, 6.6, 6.0))
    assert row["ratio"] == pytest.approx(0.55)


def test_stages_without_any_work_are_left_out():
    assert compare(figures(1, resolve_inputs=0.1), figures(2, resolve_inputs=0.9)) == []

import dataclasses
import math

import pytest

from components._release.verification import Sample, largest_difference, read_sample


def _sample(predictions, *, relative=False):
    return Sample(output="p", inputs={"x": [1.0]}, predictions=predictions, tolerance=0.1, relative=relative)


@pytest.mark.parametrize(
    ("outputs", "wanted", "difference"),
    [
        ([0.5, 0.75], [0.5, 0.5], 0.25),
        ({"p": [0.5, 0.75], "q": [9, 9]}, [0.5, 0.5], 0.25),
        ([[0.25, 0.75]], [[0.5, 0.5]], 0.25),
        ([[0.5], [0.5]], [0.5, 0.5], 0),
        ([0.5], [0.5, 0.5], math.inf),
        ([0.5, float("nan")], [0.5, 0.5], math.inf),
        (["0.5", 0.5], [0.5, 0.5], math.inf),
        ({"q": [0.5, 0.5]}, [0.5, 0.5], math.inf),
        ([True, 1], [1, 1], math.inf),
    ],
)
def test_difference_of_probabilities(outputs, wanted, difference):
    assert largest_difference(outputs, _sample(wanted)) == difference


@pytest.mark.parametrize(
    ("found", "kind", "logits", "wanted"),
    [
        ([[0.75, 0.25], [0.5, 0.5]], "binary", False, [0.25, 0.5]),
        ([0.75, 0.25, 0.5, 0.5], "binary", False, [0.25, 0.5]),  # as gRPC gives them
        ([[0.0], [0.0]], "binary", True, [0.5, 0.5]),
        ([[0.0, 0.0], [3.0, 3.0]], "multiclass", True, [[0.5, 0.5], [0.5, 0.5]]),
    ],
)
def test_what_a_run_fn_exported_is_read_as_the_evaluation_did(found, kind, logits, wanted):
    sample = dataclasses.replace(_sample(wanted), kind=kind, logits=logits)
    assert largest_difference({"p": found}, sample) == 0
    assert largest_difference({"p": [*found[:-1], math.nan]}, sample) == math.inf


def test_difference_of_numbers_is_relative_to_the_value_or_the_spread():
    assert largest_difference([110.0, 100.0], _sample([100.0, 100.0], relative=True)) == pytest.approx(0.1)
    assert largest_difference([1.0, 10.0], _sample([0.0, 10.0], relative=True)) == pytest.approx(0.2)
    assert largest_difference([0.0, 0.0], _sample([0.0, 0.0], relative=True)) == 0
    assert largest_difference([1.0, 0.0], _sample([0.0, 0.0], relative=True)) == math.inf


def test_sample_is_read_as_it_was_written(tmp_path):
    folder = tmp_path / "assets.extra/sluice"
    folder.mkdir(parents=True)
    assert read_sample(tmp_path) is None
    (folder / "verification.json").write_bytes(_sample([0.5]).to_bytes())
    assert read_sample(tmp_path) == _sample([0.5])

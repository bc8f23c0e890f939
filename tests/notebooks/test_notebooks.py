"""Each notebook runs from top to bottom, in order, on a small project; none carries outputs into git."""

import os
import re

import nbformat
import pytest
from nbclient import NotebookClient
from small_flights import ROOT, make_project

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
pytestmark = pytest.mark.timeout(1800)  # one of them runs a pipeline, which takes minutes on a machine that has other work


@pytest.fixture(scope="module")
def execute(tmp_path_factory):
    """Returns a function that executes a notebook, given by its number, on the project that all of them share."""
    folder = tmp_path_factory.mktemp("notebooks")
    settings = {"SLUICE_PROJECT": str(make_project(folder)), "SLUICE_RUNS": str(folder / "runs"), "PYTHONPATH": str(ROOT)}
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"} | settings

    def run(number):
        notebook = nbformat.read(NOTEBOOKS[number - 1], as_version=4)
        where = {"metadata": {"path": str(ROOT / "notebooks")}}
        NotebookClient(notebook, timeout=1500, kernel_name="python3", resources=where).execute(env=environment)
        return notebook

    return run


@pytest.fixture(scope="module")
def after_run(execute):
    """Returns the executed second notebook, which leaves the release that the third inspects."""
    return execute(2)


def outputs(notebook):
    """Returns what the cells printed and showed, as one text."""
    texts = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            texts.append(output.get("text", ""))
            texts += [str(text) for text in output.get("data", {}).values()]
    return "\n".join(texts)


def test_the_first_shows_features_and_what_the_label_depends_on(execute):
    text = outputs(execute(1))
    assert "3,360 rows read from 2 files" in text
    assert text.count("<svg") > 10  # a histogram per number, and the plots
    assert "share of late on a day" in text
    spread, chance = map(float, re.search(r"day's share: ([\d.]+); by chance: ([\d.]+)", text).groups())
    assert spread == pytest.approx(chance, rel=0.5)  # made-up days are all alike


def test_the_second_runs_the_pipeline_and_draws_the_curves(after_run):
    text = outputs(after_run)
    assert "The run succeeded" in text
    for name in ("ROC", "Precision and recall", "Calibration", "fairness", "robustness", "validate_serving"):
        assert name in text
    assert "FAILED" not in text


@pytest.mark.usefixtures("after_run")
def test_the_third_shows_the_release_and_finds_what_was_changed(execute):
    notebook = execute(3)
    text = outputs(notebook)
    assert "Verified: every entry, and every version of 1." in text
    assert "origin" in text
    assert text.count("<svg") == 1
    found = notebook.cells[-2].outputs[0].text
    evaluation, ledger = found.split("The ledger:")
    assert "Version 1 is not what was pushed" in evaluation
    assert "an entry was edited" in ledger


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_no_output_is_kept_in_git(file):
    assert len(NOTEBOOKS) == 3
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert not cell.metadata
    assert notebook.metadata.keys() == {"kernelspec", "language_info"}

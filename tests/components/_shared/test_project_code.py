import pytest

from components._shared.project_code import binds, preprocessing_file, trains_by_run_fn


@pytest.mark.parametrize(
    "text",
    [
        "def run_fn(args):\n    pass\n",
        "from module import run_fn\n",
        "from module import train as run_fn\n",
        "run_fn = base.run_fn\n",
    ],
)
def test_a_function_is_found_however_it_gets_its_name(tmp_path, text):
    (tmp_path / "model.py").write_text(text)
    assert trains_by_run_fn(tmp_path)


@pytest.mark.parametrize(
    "text", ["def f():\n    def run_fn(): ...\n", "# def run_fn(): ...\n", "def run_fn(:\n", "import os\n"]
)
def test_what_is_no_function_at_the_top_level_is_none(tmp_path, text):
    (tmp_path / "model.py").write_text(text)
    assert not binds(tmp_path / "model.py", "run_fn")


def test_build_model_goes_first(tmp_path):
    (tmp_path / "model.py").write_text("def run_fn(args): ...\ndef build_model(spec, hyperparameters): ...\n")
    assert not trains_by_run_fn(tmp_path)


def test_one_file_may_hold_both_functions(tmp_path):
    (tmp_path / "model.py").write_text("def preprocessing_fn(inputs): ...\n")
    assert preprocessing_file(tmp_path) == "model.py"
    (tmp_path / "features.py").write_text("")
    assert preprocessing_file(tmp_path) == "features.py"


def test_without_either_it_is_features_py_that_is_missing(tmp_path):
    assert preprocessing_file(tmp_path) == "features.py"

import sys

import pytest

from components._shared.digest import digest_code
from components._shared.errors import UserError
from components._shared.user_code import load_function, load_one, user_errors


@pytest.fixture
def load(tmp_path):
    def make(code, name="build", digest=None):
        (tmp_path / "code.py").write_text(code)
        return load_function(tmp_path, "code.py", name, digest or digest_code(tmp_path, "code.py"))

    return make


def test_a_function_may_use_its_neighbours_which_are_then_forgotten(load, tmp_path):
    (tmp_path / "sluice_neighbour.py").write_text("NUMBER = 7\n")
    function = load("from sluice_neighbour import NUMBER\ndef build():\n    return NUMBER\n")
    assert function() == 7
    assert "sluice_neighbour" not in sys.modules
    assert str(tmp_path) not in sys.path


def test_a_dataclass_can_be_defined(load):
    code = "from __future__ import annotations\nimport dataclasses\n@dataclasses.dataclass\nclass build:\n    n: int = 3\n"
    assert load(code)().n == 3


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"has a file code\.py"):
        load_function(tmp_path, "code.py", "build", "sha256:x")


def test_a_changed_file_is_not_even_imported(load):
    with pytest.raises(UserError, match="compiled with"):
        load("raise SystemExit('imported')\n", digest="sha256:other")


def test_an_error_names_file_line_source_and_cause(load):
    with pytest.raises(UserError, match=r"code\.py, line 2: value = 1 / 0: ZeroDivisionError: division by zero"):
        load("# a comment\nvalue = 1 / 0\n")


def test_an_exit_is_an_error(load):
    with pytest.raises(UserError, match=r"can be imported.*line 2: sys\.exit\(0\): SystemExit: 0"):
        load("import sys\nsys.exit(0)\n")


def test_an_error_of_ours_keeps_its_traceback(tmp_path):
    with pytest.raises(KeyError), user_errors(tmp_path, "code.py works"):
        {}["ours"]


def test_what_is_no_function_is_refused(load):
    with pytest.raises(UserError, match=r"defines the function build\. Received: \['other'\]"):
        load("build = 3\ndef other():\n    pass\n")


@pytest.mark.parametrize(
    ("code", "received"),
    [
        ("def preprocessing_fn(inputs, schema): ...", r"preprocessing_fn\(inputs, schema\)"),
        ("def build_model(feature_spec): ...", r"build_model\(feature_spec\)"),
        ("def run_fn(fn_args, *, epochs): ...", r"run_fn\(fn_args, \*, epochs\)"),
    ],
)
def test_a_function_that_cannot_be_called_as_stages_call_it_is_refused(load, code, received):
    name = code.split("(")[0].split()[1]
    with pytest.raises(UserError, match=rf"A stage calls {name}\(.*Received: {received}"):
        load(code, name)


def test_further_arguments_with_defaults_are_no_matter(load):
    assert load("def run_fn(fn_args, epochs=3):\n    return epochs\n", "run_fn")(None) == 3


def test_an_import_that_the_digest_does_not_cover_is_refused(load, tmp_path):
    (tmp_path / "uncovered").mkdir()
    (tmp_path / "uncovered" / "deep.py").write_text("")
    with pytest.raises(UserError, match=r"digest covers.*deep\.py.*__init__\.py"):
        load("import uncovered.deep\ndef build():\n    pass\n")


def test_an_import_of_tfx_says_what_to_do_about_it(tmp_path):
    (tmp_path / "model.py").write_text("import os\nfrom tfx import v1 as tfx\n")
    with pytest.raises(UserError, match=r"model\.py, line 2.*No module named 'tfx'.*Install tfx.*docs/from-tfx\.md"):
        load_function(tmp_path, "model.py", "run_fn", digest_code(tmp_path, "model.py"))


def test_a_file_defines_one_of_two_functions(tmp_path):
    (tmp_path / "model.py").write_text("def run_fn(): ...\ndef build_model(): ...\n")
    with pytest.raises(UserError, match="one of the functions build_model and run_fn"):
        load_one(tmp_path, "model.py", ("build_model", "run_fn"), digest_code(tmp_path, "model.py"))

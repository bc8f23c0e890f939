"""Who may import whom, file by file: what import-linter, which sees modules and not places, cannot say."""

import ast
import configparser
import sys
from pathlib import Path

import pytest

from pipelines.launchers import TENSORFLOW_STAGES

ROOT = Path(__file__).parents[2]
STAGES = sorted(path.parent.name for path in (ROOT / "components").glob("*/component.py"))
PROGRAMS = sorted(path.parent.name for path in (ROOT / "components").glob("*/__main__.py"))
"""The stages, and the programs that `sluice init` runs."""
SHARED = tuple(f"components.{name}" for name in ("_shared", "_cloud", "_data", "_tf", "_release", "_report"))
REFUSING = {"transform_features", "push_model"}
"""Consumers of a "no". Whoever reports one exits with 0: the launcher would not upload the page of a failed task."""


def imports_of(path, *, top_only=False):
    """Returns the modules that a file imports; with `top_only` those outside functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_only else ast.walk(tree)
    found = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def others(modules, allowed):
    """Returns the modules that are neither allowed nor below an allowed one, nor in the standard library."""
    foreign = [name for name in modules if name.partition(".")[0] not in sys.stdlib_module_names]
    return [name for name in foreign if not any(f"{name}.".startswith(f"{prefix}.") for prefix in allowed)]


def work_of(stage):
    """Returns the files of a stage that are neither its interface nor a program."""
    files = sorted((ROOT / "components" / stage).glob("*.py"))
    return [path for path in files if path.name != "component.py" and "__main__" not in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("stage", STAGES)
def test_an_interface_imports_kfp_and_what_is_shared(stage):
    modules = imports_of(ROOT / "components" / stage / "component.py")
    assert others(modules, ["kfp", "components._shared"]) == []


@pytest.mark.parametrize("stage", PROGRAMS)
def test_a_program_imports_its_executor_only_when_it_runs(stage):
    path = ROOT / "components" / stage / "__main__.py"
    assert others(imports_of(path, top_only=True), ["components._shared"]) == []
    assert others(imports_of(path), ["components._shared", f"components.{stage}.executor"]) == []


@pytest.mark.parametrize("stage", PROGRAMS)
def test_the_work_knows_neither_command_line_nor_environment_nor_kfp(stage):
    for path in work_of(stage):
        modules = imports_of(path)
        assert not {"argparse", "os.environ", "os.getenv", "kfp"} & {*modules, *(name.partition(".")[0] for name in modules)}
        assert not any(isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv") for node in _nodes(path)), path


@pytest.mark.parametrize("stage", PROGRAMS)
def test_a_stage_imports_what_is_shared_and_itself(stage):
    allowed = (*SHARED, f"components.{stage}")
    ours = [name for path in work_of(stage) for name in imports_of(path) if name.startswith(("components", "pipelines"))]
    assert others(ours, allowed) == []


def test_what_is_shared_imports_no_stage():
    files = [path for package in SHARED for path in (ROOT / package.replace(".", "/")).glob("*.py")]
    ours = [name for path in files for name in imports_of(path) if name.startswith(("components", "pipelines"))]
    assert others(ours, SHARED) == []


def test_pipelines_import_interfaces_and_no_program():
    ours = [name for path in (ROOT / "pipelines").glob("*.py") for name in imports_of(path) if name.startswith("components")]
    interfaces = [f"components.{stage}.component" for stage in STAGES]
    assert others(ours, ["components._shared", "components._release", "components._report.page", *interfaces]) == []


@pytest.mark.parametrize("stage", PROGRAMS)
def test_only_consumers_refuse(stage):
    files = (ROOT / "components" / stage).glob("*.py")
    refuses = any("components._shared.errors.Refusal" in imports_of(path) for path in files)
    assert refuses == (stage in REFUSING)


def test_import_contracts_name_every_stage():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = config["importlinter:contract:stages"]["modules"].split()
    assert listed == [f"components.{stage}" for stage in PROGRAMS]


def test_stages_without_tensorflow_are_held_to_it():
    """Those that no launcher prepares imports for; infer_schema, which has TensorFlow, is not part of the pipeline."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    held = {name.removeprefix("components.") for name in config["importlinter:contract:data"]["source_modules"].split()}
    assert held & set(STAGES) == set(STAGES) - set(TENSORFLOW_STAGES) - {"infer_schema"}


def _nodes(path):
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))

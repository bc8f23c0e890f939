"""What every stage promises: one interface, told to Kubeflow and to the command line alike."""

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kfp.dsl import placeholders

ROOT = Path(__file__).parents[2]
STAGES = sorted(path.parent.name for path in (ROOT / "components").glob("*/component.py"))
PROGRAMS = sorted(path.parent.name for path in (ROOT / "components").glob("*/__main__.py"))
"""The stages, and the programs that `sluice init` runs."""
BLOCK = "import sys; sys.modules.update(dict.fromkeys({names!r})); "


def load(stage):
    return getattr(importlib.import_module(f"components.{stage}.component"), stage)


def container(stage):
    return load(stage).component_spec.implementation.container


def parser_options(stage):
    main = importlib.import_module(f"components.{stage}.__main__")
    return {action.option_strings[0]: action for action in main.build_parser()._actions if action.dest != "help"}


def run_blocked(names, code, *arguments):
    """Runs code in a fresh interpreter in which the named packages cannot be imported."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", BLOCK.format(names=names) + code, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_there_are_stages():
    assert len(STAGES) >= 14


@pytest.mark.parametrize("stage", STAGES)
def test_command_runs_the_folder(stage):
    assert container(stage).command == ["python", "-m", f"components.{stage}"]


@pytest.mark.parametrize("stage", STAGES)
def test_component_is_named_after_its_folder(stage):
    assert load(stage).component_spec.name == stage.replace("_", "-")


@pytest.mark.parametrize("stage", STAGES)
def test_flags_are_the_options_of_the_parser(stage):
    flags = [item for item in container(stage).args if isinstance(item, str) and item.startswith("--")]
    assert sorted(flags) == sorted(parser_options(stage))


@pytest.mark.parametrize("stage", STAGES)
def test_every_flag_carries_the_value_of_its_name(stage):
    args = container(stage).args
    for flag, value in zip(args[::2], args[1::2], strict=True):
        name = getattr(value, "input_name", None) or getattr(value, "output_name", None) or "executor_input"
        assert flag == f"--{name}"


@pytest.mark.parametrize("stage", STAGES)
def test_values_are_placeholders_the_launcher_resolves(stage):
    resolved = (
        placeholders.InputValuePlaceholder,
        placeholders.InputPathPlaceholder,
        placeholders.OutputPathPlaceholder,
        placeholders.OutputParameterPlaceholder,
    )
    for value in container(stage).args[1::2]:
        assert isinstance(value, resolved) or value == "{{$}}"


@pytest.mark.parametrize("stage", STAGES)
def test_every_input_and_output_is_a_required_flag_with_help(stage):
    spec = load(stage).component_spec
    options = parser_options(stage)
    for name in [*(spec.inputs or {}), *(spec.outputs or {})]:
        assert options[f"--{name}"].required
        assert options[f"--{name}"].help


@pytest.mark.parametrize("stage", STAGES)
def test_no_input_is_optional_or_has_a_default(stage):
    assert not [name for name, item in (load(stage).component_spec.inputs or {}).items() if item.optional]


@pytest.mark.parametrize("stage", STAGES)
def test_every_input_and_output_is_described(stage):
    """KFP takes descriptions of inputs from `Args:` and those of outputs from `Returns:`, and writes them into the pipeline."""
    spec = load(stage).component_spec
    assert spec.description
    items = {**(spec.inputs or {}), **(spec.outputs or {})}
    assert [name for name, item in items.items() if not item.description] == []


@pytest.mark.parametrize("stage", PROGRAMS)
def test_init_holds_a_docstring_only(stage):
    tree = ast.parse((ROOT / "components" / stage / "__init__.py").read_text(encoding="utf-8"))
    assert len(tree.body) == 1
    assert ast.get_docstring(tree)


@pytest.mark.parametrize("stage", PROGRAMS)
def test_help_needs_neither_kfp_nor_tensorflow(stage):
    blocked = ["kfp", "tensorflow", "keras", "apache_beam", "pyarrow", "numpy", "pydantic", "typer"]
    code = "import runpy; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
    result = run_blocked(blocked, code, f"components.{stage}", "--help")
    assert result.returncode == 0, result.stderr
    assert "--executor_input" in result.stdout


@pytest.mark.parametrize("stage", PROGRAMS)
def test_missing_flags_exit_with_2(stage):
    main = importlib.import_module(f"components.{stage}.__main__")
    with pytest.raises(SystemExit) as error:
        main.build_parser().parse_args([])
    assert error.value.code == 2


@pytest.mark.parametrize("stage", STAGES)
def test_the_dashboard_renders_every_report(stage):
    types = {name: item.type for name, item in (load(stage).component_spec.outputs or {}).items()}
    rendered = {"report": "system.HTML@0.0.1", "summary": "system.Markdown@0.0.1", "metrics": "system.Metrics@0.0.1"}
    assert {name: rendered[name] for name in types if name in rendered}.items() <= types.items()
    assert "system.SlicedClassificationMetrics@0.0.1" not in types.values()


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_tests_of_its_program_and_of_its_work(stage):
    folder = ROOT / "tests" / "components" / stage
    assert [name for name in ("test_executor.py", "test_main.py") if not (folder / name).is_file()] == []

import itertools

import pytest

from pipelines.compiler import compile_training_pipeline, read_pipeline_spec
from pipelines.config import load_project
from pipelines.launchers import TENSORFLOW_STAGES

UNCACHED = {"resolve-inputs", "resolve-baseline", "decide-release", "push-model"}


@pytest.fixture
def spec(project_dir, tmp_path):
    compile_training_pipeline(load_project(project_dir), tmp_path / "ir.yaml")
    return read_pipeline_spec(tmp_path / "ir.yaml")


def constant(spec, task, name):
    return spec.root.dag.tasks[task].inputs.parameters[name].runtime_value.constant


def test_every_stage_of_the_training_pipeline_is_a_task(spec):
    assert set(spec.root.dag.tasks) == UNCACHED | {
        "fetch-baseline",
        "import-schema",
        "ingest-examples",
        "generate-statistics",
        "validate-examples",
        "transform-features",
        "train-model",
        "evaluate-model",
        "validate-serving",
    }


def test_every_input_of_every_stage_is_connected(spec):
    for task in spec.root.dag.tasks.values():
        declared = spec.components[task.component_ref.name].input_definitions
        assert set(task.inputs.artifacts) == set(declared.artifacts)
        assert set(task.inputs.parameters) == set(declared.parameters)


def test_an_artifact_goes_where_its_name_says(spec):
    for task in spec.root.dag.tasks.values():
        for name, item in task.inputs.artifacts.items():
            assert item.task_output_artifact.output_artifact_key == name


def test_every_pipeline_parameter_reaches_a_stage(spec):
    used = {item.component_input_parameter for task in spec.root.dag.tasks.values() for item in task.inputs.parameters.values()}
    assert used - {""} == set(spec.root.input_definitions.parameters)


def test_defaults_of_the_run_form_come_from_the_project(spec):
    parameters = spec.root.input_definitions.parameters
    assert parameters["spans"].default_value.string_value == "1-9"
    assert parameters["epochs"].default_value.number_value == 3
    assert parameters["serving_dir"].default_value.string_value == "/project/served/parcels"
    assert parameters["hyperparameters"].default_value.struct_value["hidden_units"].values[0].number_value == 8


def test_what_decides_is_fixed_and_the_same_for_every_gate(spec):
    judges = [task for name, task in spec.root.dag.tasks.items() if "policy" in task.inputs.parameters]
    assert len(judges) == 5
    for name in ("policy", "policy_hash", "eval_config"):
        values = [task.inputs.parameters[name].runtime_value.constant for task in judges]
        assert values == [values[0]] * 5
        assert values[0].WhichOneof("kind")


@pytest.mark.parametrize(("line", "required"), [("", False), ("\n  server: http://parcels:8501", True)])
def test_whether_a_server_verifies_is_fixed(project_dir, tmp_path, line, required):
    file = project_dir / "project.yaml"
    file.write_text(file.read_text().replace("directory: served/parcels", f"directory: served/parcels{line}"))
    compile_training_pipeline(load_project(project_dir), tmp_path / "other.yaml")
    value = constant(read_pipeline_spec(tmp_path / "other.yaml"), "push-model", "server_required")
    assert value.bool_value is required


def test_every_gate_gets_the_overrides_of_the_run(spec):
    assert dict(spec.root.input_definitions.parameters["overrides"].default_value.struct_value) == {}
    judges = [task.inputs.parameters for task in spec.root.dag.tasks.values() if "policy" in task.inputs.parameters]
    assert {inputs["overrides"].component_input_parameter for inputs in judges} == {"overrides"}


@pytest.mark.parametrize(("old", "new"), [("100", "101"), ("value: 0.6", "value: 0.5")])
def test_another_bound_is_another_policy(spec, project_dir, tmp_path, old, new):
    file = project_dir / "project.yaml"
    file.write_text(file.read_text().replace(old, new))
    compile_training_pipeline(load_project(project_dir), tmp_path / "other.yaml")
    other = read_pipeline_spec(tmp_path / "other.yaml")
    assert constant(other, "decide-release", "policy_hash") != constant(spec, "decide-release", "policy_hash")


def test_changed_code_of_the_project_is_another_parameter(spec, project_dir, tmp_path):
    (project_dir / "model.py").write_text("# changed\n")
    compile_training_pipeline(load_project(project_dir), tmp_path / "other.yaml")
    other = read_pipeline_spec(tmp_path / "other.yaml")
    assert constant(other, "train-model", "model_hash") != constant(spec, "train-model", "model_hash")
    assert constant(other, "transform-features", "features_hash") == constant(spec, "transform-features", "features_hash")


def test_tensorflow_stages_are_listed_in_the_order_in_which_they_run(spec):
    def ancestors(task):
        direct = set(spec.root.dag.tasks[task].dependent_tasks)
        return direct.union(*(ancestors(parent) for parent in direct)) if direct else direct

    tasks = [stage.replace("_", "-") for stage in TENSORFLOW_STAGES]
    assert all(earlier in ancestors(later) for earlier, later in itertools.pairwise(tasks))

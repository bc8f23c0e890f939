import re
from pathlib import Path

import pytest

from pipelines.compiler import compile_training_pipeline, read_pipeline_spec
from pipelines.config import load_project
from pipelines.stage_policies import STAGE_POLICIES

LOCATIONS = {"project_dir", "serving_dir", "files", "pattern"}
DIGESTS = re.compile(r".*(_hash|_digest|fingerprint)")


@pytest.fixture(scope="module")
def tasks(tmp_path_factory, module_project_dir):
    file = tmp_path_factory.mktemp("policies") / "ir.yaml"
    compile_training_pipeline(load_project(module_project_dir), file)
    return {name.replace("-", "_"): task for name, task in read_pipeline_spec(file).root.dag.tasks.items()}


def test_every_stage_has_a_policy(tasks):
    assert set(STAGE_POLICIES) == set(tasks)


def test_what_looks_anew_decides_or_pushes_is_never_cached(tasks):
    uncached = {stage for stage, task in tasks.items() if not task.caching_options.enable_cache}
    assert uncached == {"resolve_inputs", "resolve_baseline", "decide_release", "push_model"}


def test_only_what_reads_over_the_network_is_retried_with_back_off(tasks):
    retried = {stage: task.retry_policy for stage, task in tasks.items() if task.HasField("retry_policy")}
    assert set(retried) == {"resolve_inputs", "resolve_baseline", "fetch_baseline", "ingest_examples"}
    for policy in retried.values():
        assert (policy.max_retry_count, policy.backoff_factor) == (3, 2.0)
        assert (policy.backoff_duration.seconds, policy.backoff_max_duration.seconds) == (15, 3600)


def test_training_is_retried_where_it_finds_its_checkpoint(project_dir, tmp_path):
    file = project_dir / "project.yaml"
    file.write_text(file.read_text().replace("training:", "training:\n  checkpoint_dir: /checkpoints"))
    compile_training_pipeline(load_project(project_dir), tmp_path / "ir.yaml")
    spec = read_pipeline_spec(tmp_path / "ir.yaml")
    retried = {name for name, task in spec.root.dag.tasks.items() if task.HasField("retry_policy")}
    assert retried == {"resolve-inputs", "resolve-baseline", "fetch-baseline", "ingest-examples", "train-model"}
    assert spec.root.input_definitions.parameters["checkpoint_dir"].default_value.string_value == "/checkpoints"


@pytest.mark.parametrize("stage", [stage for stage, policy in STAGE_POLICIES.items() if policy.cached])
def test_a_cached_stage_that_reads_a_place_is_keyed_by_digests(tasks, stage):
    parameters = tasks[stage].inputs.parameters
    assert not LOCATIONS & set(parameters) or any(DIGESTS.fullmatch(name) for name in parameters)


@pytest.mark.parametrize(
    ("stage", "parameter", "producer"),
    [
        ("ingest_examples", "fingerprint", "resolve-inputs"),
        ("ingest_examples", "files", "resolve-inputs"),
        ("fetch_baseline", "model_digest", "resolve-baseline"),
        ("fetch_baseline", "pushed_digest", "resolve-baseline"),
    ],
)
def test_digests_come_from_a_stage_that_looks_anew(tasks, stage, parameter, producer):
    assert tasks[stage].inputs.parameters[parameter].task_output_parameter.producer_task == producer


def test_the_documentation_says_what_the_table_says():
    rows = {}
    for line in (Path(__file__).parents[2] / "docs" / "kubeflow.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        rows |= {stage: cells for stage in re.findall(r"`(\w+)`", cells[0]) if len(cells) == 4}
    assert set(rows) == set(STAGE_POLICIES)
    for stage, (_, cached, _, retried) in rows.items():
        policy = STAGE_POLICIES[stage]
        assert (cached == "yes", retried == "yes") == (policy.cached, policy.retried), stage
        assert cached == "yes" or cached.startswith("never")
    assert {stage for stage, policy in STAGE_POLICIES.items() if policy.resumes} == {"train_model"}

from pathlib import Path

import pytest
import yaml

from components._shared.errors import UserError
from pipelines.compiler import compile_training_pipeline, read_pipeline_spec
from pipelines.config import load_project

GOLDEN = Path(__file__).parent / "golden" / "parcels-platform.yaml"


@pytest.fixture(scope="module")
def compiled_file(cluster_project_dir, tmp_path_factory):
    file = tmp_path_factory.mktemp("compiled") / "ir.yaml"
    compile_training_pipeline(load_project(cluster_project_dir), file)
    return file


def documents(file):
    return list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


def message_with(folder, section):
    with (folder / "project.yaml").open("a", encoding="utf-8") as file:
        file.write("\n" + yaml.safe_dump({"cluster": section}))
    with pytest.raises(UserError) as raised:
        load_project(folder)
    return str(raised.value)


def test_what_is_asked_of_kubernetes_compiles_as_recorded(compiled_file):
    """The same on both SDK lines. After a change that is meant, write the second document anew."""
    _, platform = documents(compiled_file)
    assert platform == yaml.safe_load(GOLDEN.read_text(encoding="utf-8"))


def test_without_the_section_nothing_is_asked(project_dir, tmp_path):
    compile_training_pipeline(load_project(project_dir), tmp_path / "ir.yaml")
    (spec,) = documents(tmp_path / "ir.yaml")
    assert all("resources" not in executor["container"] for executor in spec["deploymentSpec"]["executors"].values())


def test_resources_are_request_and_limit_and_merged_with_the_defaults(compiled_file):
    executors = documents(compiled_file)[0]["deploymentSpec"]["executors"]
    train, push = (executors[name]["container"]["resources"] for name in ("exec-train-model", "exec-push-model"))
    for kind in ("Request", "Limit"):
        assert (train[f"resourceCpu{kind}"], train[f"resourceMemory{kind}"]) == ("1", "8Gi")
        assert (push[f"resourceCpu{kind}"], push[f"resourceMemory{kind}"]) == ("1", "2Gi")
    assert train["accelerator"]["resourceType"] == "nvidia.com/gpu"
    assert "accelerator" not in push


def test_mappings_are_merged_and_lists_are_the_stages_own(cluster_project_dir):
    cluster = load_project(cluster_project_dir).cluster
    train, push = cluster.settings_of("train_model"), cluster.settings_of("push_model")
    assert train.node_selector == {"pool": "ml", "zone": "a"}
    assert [toleration.key for toleration in train.tolerations] == ["gpu"]
    assert [toleration.key for toleration in push.tolerations] == ["ml"]
    assert push.pvc == {"parcels": "/data", "served": "/served"}


def test_a_laptop_reads_the_file_as_if_nothing_were_asked(compiled_file):
    assert len(read_pipeline_spec(compiled_file).root.dag.tasks) == 13


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"stages": {"train": {}}}, "cluster.stages.train: not a known key. Known here: resolve_inputs, resolve_baseline,"),
        ({"defaults": {"cpu": 1}}, "cluster.defaults.cpu: not a known key. Known here: resources, node_selector,"),
        ({"defaults": {"resources": {"cpu": "two"}}}, "cluster.defaults.resources.cpu: a number of cores above 0"),
        ({"defaults": {"resources": {"cpu": 0}}}, "a number of cores above 0, such as 2 or 500m. Received: 0"),
        ({"defaults": {"resources": {"memory": "2 GB"}}}, "a whole number of bytes above 0 with a unit, such as 512Mi or 4Gi"),
        ({"defaults": {"resources": {"memory": "0Gi"}}}, "cluster.defaults.resources.memory: a whole number of bytes above 0"),
        ({"defaults": {"resources": {"memory": "4"}}}, "with a unit"),
        ({"defaults": {"resources": {"accelerator": {"type": "gpu", "count": 3}}}}, "1, 2, 4, 8 or 16"),
        ({"defaults": {"resources": {"accelerator": {"kind": "gpu"}}}}, "Known here: type, count."),
        ({"defaults": {"image_pull_policy": "always"}}, "'Always', 'IfNotPresent' or 'Never'"),
        ({"defaults": {"secrets": {"key": {}}}}, "a secret says where it goes"),
        ({"defaults": {"secrets": {"key": {"file": "/x"}}}}, "Known here: env, mount."),
        ({"defaults": {"tolerations": [{"effect": "NoSchedule"}]}}, "without a key the operator is Exists"),
        ({"defaults": {"tolerations": [{"taint": "x"}]}}, "Known here: key, operator, value,"),
        ({"defaults": {"pvc": {"data": "data"}}}, "cluster.defaults.pvc.data"),
        ({"defaults": {"pvc": {"a": "/x", "b": "/x"}}}, "a folder is mounted once"),
        ({"defaults": {"pvc": {"a": "/x"}}, "stages": {"push_model": {"pvc": {"b": "/x"}}}}, "a folder is mounted once"),
    ],
)
def test_a_setting_that_is_wrong_is_named_with_what_is_right(project_dir, section, problem):
    assert problem in message_with(project_dir, section)

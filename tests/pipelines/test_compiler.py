import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from components._shared.errors import UserError
from pipelines.compiler import compile_manifests, compile_training_pipeline, read_pipeline_spec
from pipelines.config import load_project
from pipelines.launchers import stage_environment

GOLDEN = Path(__file__).parent / "golden" / "flights-training.yaml"
FLIGHTS = Path(__file__).parents[2] / "projects" / "flights"
BLOCK_TENSORFLOW = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {'tensorflow', 'tensorflow_transform', 'tensorflow_data_validation', 'tfx_bsl',
                                  'tensorflow_model_analysis', 'keras', 'apache_beam', 'pyarrow', 'numpy', 'altair'}:
            raise ImportError(f'{name} is blocked')
sys.meta_path.insert(0, Block())
from pipelines.__main__ import app
app(sys.argv[1:])
"""


def documents(path):
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def without_sdk_version(items):
    return [{key: value for key, value in item.items() if key != "sdkVersion"} for item in items]


def test_flights_compile_as_recorded(tmp_path):
    """After a change that is meant: `sluice compile projects/flights -o tests/pipelines/golden/flights-training.yaml`."""
    compile_training_pipeline(load_project(FLIGHTS), tmp_path / "ir.yaml")
    assert without_sdk_version(documents(tmp_path / "ir.yaml")) == without_sdk_version(documents(GOLDEN))


def test_golden_file_is_a_pipeline_spec_to_the_last_field():
    json_format.ParseDict(documents(GOLDEN)[0], pipeline_spec_pb2.PipelineSpec(), ignore_unknown_fields=False)


def test_compiling_twice_gives_the_same_bytes(project_dir, tmp_path):
    for name in ("a.yaml", "b.yaml"):
        compile_training_pipeline(load_project(project_dir), tmp_path / name)
    assert (tmp_path / "a.yaml").read_bytes() == (tmp_path / "b.yaml").read_bytes()


def test_image_is_that_of_every_stage_and_of_this_compilation_only(project_dir, tmp_path):
    project = load_project(project_dir)
    reference = "registry.example/sluice@sha256:" + "0" * 64
    compile_training_pipeline(project, tmp_path / "a.yaml", reference)
    compile_training_pipeline(project, tmp_path / "b.yaml")
    images = [
        {item["container"]["image"] for item in documents(tmp_path / name)[0]["deploymentSpec"]["executors"].values()}
        for name in ("a.yaml", "b.yaml")
    ]
    assert images == [{reference}, {"sluice:latest"}]
    push = documents(tmp_path / "a.yaml")[0]["deploymentSpec"]["executors"]["exec-push-model"]["container"]
    assert push["env"] == [{"name": "SLUICE_IMAGE", "value": reference}]


def test_manifests_hold_the_compiled_pipeline_and_nothing_that_a_cluster_does_not_know(cluster_project_dir, tmp_path):
    project = load_project(cluster_project_dir)
    compile_training_pipeline(project, tmp_path / "ir.yaml")
    compile_manifests(project, tmp_path / "manifests.yaml", namespace="team-a")
    pipeline, version = documents(tmp_path / "manifests.yaml")
    assert [item["apiVersion"] for item in (pipeline, version)] == ["pipelines.kubeflow.org/v2beta1"] * 2
    assert [item["kind"] for item in (pipeline, version)] == ["Pipeline", "PipelineVersion"]
    assert [item["metadata"]["namespace"] for item in (pipeline, version)] == ["team-a"] * 2
    assert pipeline["metadata"]["name"] == version["spec"]["pipelineName"] == "parcels-training"
    assert [version["spec"].pop("pipelineSpec"), version["spec"].pop("platformSpec")] == documents(tmp_path / "ir.yaml")
    # What is left is in the first schemas of both kinds; later ones have more.
    assert set(pipeline["spec"]) == {"description"}
    assert set(version["spec"]) == {"description", "pipelineName"}


def test_other_content_is_another_version(project_dir, tmp_path):
    names = []
    for image in ("x:1", "x:2"):
        compile_manifests(load_project(project_dir), tmp_path / "manifests.yaml", image)
        names.append(documents(tmp_path / "manifests.yaml")[1]["metadata"]["name"])
    assert names[0] != names[1]
    assert all(name.startswith("parcels-training-") for name in names)


@pytest.mark.parametrize(("output", "image"), [("a.txt", "x"), ("a.yaml", "two words"), ("a.yaml", "x\nevil: y")])
def test_bad_output_or_image_is_refused(project_dir, tmp_path, output, image):
    with pytest.raises(UserError, match="Received"):
        compile_training_pipeline(load_project(project_dir), tmp_path / output, image)
    assert not (tmp_path / output).exists()


@pytest.mark.parametrize("text", ["", "a: [", "pipelineInfo: {name: x}\nunknown: 1\n", "- 1\n"])
def test_a_file_that_is_no_pipeline_is_refused(tmp_path, text):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(UserError, match="KFP PipelineSpec"):
        read_pipeline_spec(tmp_path / "x.yaml")


def test_a_file_that_cannot_be_written_is_one_message(project_dir):
    with pytest.raises(UserError, match=r"can be written\. Received: .*project\.yaml"):
        compile_training_pipeline(load_project(project_dir), project_dir / "project.yaml" / "training.yaml")


def test_compiling_needs_no_tensorflow(project_dir, tmp_path):
    command = [sys.executable, "-c", BLOCK_TENSORFLOW, "compile", str(project_dir), "-o", str(tmp_path / "out.yaml")]
    done = subprocess.run(command, env=stage_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert read_pipeline_spec(tmp_path / "out.yaml").pipeline_info.name == "parcels-training"

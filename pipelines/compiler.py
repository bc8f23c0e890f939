"""Compiles a project's training pipeline into Kubeflow's intermediate representation (IR), and reads such a file strictly."""

import hashlib
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format
from kfp import compiler
from kfp.pipeline_spec import pipeline_spec_pb2

from components._shared.errors import UserError
from components._shared.images import IMAGE
from components._shared.outputs import write_text
from pipelines.config import Project
from pipelines.training import build_training_pipeline


def compile_training_pipeline(project: Project, output: str | Path, image: str = IMAGE) -> None:
    """Compiles the training pipeline into a YAML file; the same project gives the same bytes.

    Args:
        project: The project.
        output: The file to write, whole or not at all.
        image: Image of every stage; for a release, with its digest.

    Raises:
        UserError: If the image or the output's name is not one, or the file cannot be written.
    """
    _write(output, _compile(project, output, image))


def compile_manifests(project: Project, output: str | Path, image: str = IMAGE, namespace: str = "") -> None:
    """Compiles the training pipeline into Kubernetes manifests, for clusters whose pipelines live in Kubernetes' own API.

    A PipelineVersion cannot be changed in a cluster, so its name ends with a digest of what it holds.

    Args:
        project: The project.
        output: The file to write, whole or not at all: a Pipeline and a PipelineVersion.
        image: Image of every stage; for a release, with its digest.
        namespace: Namespace of both; empty for the one into which they are applied.

    Raises:
        UserError: As `compile_training_pipeline`.
    """
    pipeline_spec, *platform_specs = yaml.safe_load_all(_compile(project, output, image))
    name = pipeline_spec["pipelineInfo"]["name"]
    spec = {"description": project.description, "pipelineName": name, "pipelineSpec": pipeline_spec}
    if platform_specs:
        spec["platformSpec"] = platform_specs[0]
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()
    place = {"namespace": namespace} if namespace else {}
    documents = [
        {"kind": "Pipeline", "metadata": {"name": name, **place}, "spec": {"description": project.description}},
        {"kind": "PipelineVersion", "metadata": {"name": f"{name}-{digest[:12]}", **place}, "spec": spec},
    ]
    _write(output, yaml.safe_dump_all([{"apiVersion": "pipelines.kubeflow.org/v2beta1", **item} for item in documents]))


def _compile(project: Project, output: str | Path, image: str) -> str:
    """Returns the compiled pipeline, one YAML document, or two where it asks for things of Kubernetes."""
    if not re.fullmatch(r"[\w][\w./:@-]*", image):
        raise UserError("An image is a reference such as registry/name:tag or registry/name@sha256:…", received=repr(image))
    if Path(output).suffix not in (".yaml", ".yml"):
        raise UserError("A compiled pipeline is a .yaml file.", received=output, remedy="Name it such as training.yaml.")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(build_training_pipeline(project), str(file))
        return _with_image(file.read_text(encoding="utf-8"), image)


def _write(output: str | Path, text: str) -> None:
    try:
        write_text(output, text)
    except OSError as error:
        raise UserError("The compiled pipeline can be written.", received=error, remedy="Name another file.") from error


def _with_image(text: str, image: str) -> str:
    # KFP offers to set an image on a task, but does so on the component that all pipelines of the process share.
    return re.sub(rf"^(\s+(?:image|value): ){re.escape(IMAGE)}$", lambda match: match[1] + image, text, flags=re.MULTILINE)


def read_pipeline_spec(path: str | Path) -> pipeline_spec_pb2.PipelineSpec:
    """Returns the pipeline of a compiled file, which must be a PipelineSpec to the last field.

    Raises:
        UserError: If it is not one.
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            document: Any = next(yaml.safe_load_all(file))
        return json_format.ParseDict(document, pipeline_spec_pb2.PipelineSpec(), ignore_unknown_fields=False)
    except (OSError, yaml.YAMLError, StopIteration, json_format.ParseError) as error:
        raise UserError("A compiled pipeline is a KFP PipelineSpec in YAML.", received=f"{path}: {error}") from error

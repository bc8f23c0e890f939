"""Uploads the compiled pipeline, so that the dashboard lists it and its run form can start it."""

import hashlib
import json
from pathlib import Path

from components._shared.errors import UserError
from pipelines.kubeflow import Kubeflow, silent


def package_of(kubeflow: Kubeflow, file: Path, *, upload: bool, name: str, use_cache: bool = True) -> dict[str, str]:
    """Returns how KFP's client is told what to run: the file itself, or the version that it is uploaded as.

    Args:
        kubeflow: The server.
        file: The compiled pipeline.
        upload: Whether to upload it.
        name: Name of the pipeline.
        use_cache: Whether the run keeps the pipeline's caching.

    Raises:
        UserError: If a run of an uploaded version is to have no cache, which Kubeflow cannot do.
    """
    if not upload:
        return {"pipeline_package_path": str(file)}
    if not use_cache:
        remedy = "Leave out one of them."
        raise UserError(
            "An uploaded pipeline has the caching it was compiled with.", received="--upload --no-cache", remedy=remedy
        )
    pipeline_id, version_id = upload_pipeline(kubeflow, file, name)
    return {"pipeline_id": pipeline_id, "version_id": version_id}


def upload_pipeline(kubeflow: Kubeflow, file: Path, name: str) -> tuple[str, str]:
    """Returns the IDs of the pipeline and of the version that holds the file; both are made only if they are not there.

    A version has the name of its content: the beginning of the file's SHA-256 digest.

    Args:
        kubeflow: The server.
        file: The compiled pipeline.
        name: Name of the pipeline.
    """
    client, version_name = kubeflow.client, hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    with silent():
        pipelines = client.list_pipelines(filter=named(name), namespace=kubeflow.namespace).pipelines
        pipeline = pipelines[0] if pipelines else client.upload_pipeline(str(file), name, namespace=kubeflow.namespace)
        pipeline_id = str(pipeline.pipeline_id)
        versions = client.list_pipeline_versions(pipeline_id, filter=named(version_name)).pipeline_versions
        version = versions[0] if versions else client.upload_pipeline_version(str(file), version_name, pipeline_id)
    return pipeline_id, str(version.pipeline_version_id)


def named(name: str) -> str:
    """Returns the API's filter for a display name."""
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]})

"""Submits the training pipeline to Vertex AI Pipelines, which take the same compiled file."""

from pathlib import Path
from typing import Any

import yaml

from components._shared.errors import UserError


def submit_to_vertex(
    file: Path,
    arguments: dict[str, Any],
    *,
    name: str,
    project_id: str,
    region: str,
    staging_bucket: str,
    use_cache: bool = True,
) -> str:
    """Starts a run with application default credentials, and returns the address of its page.

    What the `cluster` section asks of Kubernetes has no meaning there and is left out; resources and retries stay.

    Args:
        file: The compiled pipeline.
        arguments: Pipeline parameters that differ from their defaults.
        name: Name of the run.
        project_id: The Google Cloud project.
        region: Where it runs, such as `europe-west4`.
        staging_bucket: Bucket for what the stages write, `gs://…`.
        use_cache: Whether earlier results may be used, where the stage policies allow it.

    Raises:
        UserError: If the library is not installed, a setting is missing, or Google says no.
    """
    settings = {"--project-id": project_id, "--region": region, "--staging-bucket": staging_bucket}
    if missing := [option for option, value in settings.items() if not value]:
        raise UserError(
            "Vertex AI needs to know where to run.", received=f"no {', '.join(missing)}", remedy="Give these options."
        )
    if not staging_bucket.startswith("gs://"):
        raise UserError("The staging bucket is a gs:// URL.", received=staging_bucket)
    aiplatform = _import_aiplatform()
    from google.api_core.exceptions import GoogleAPIError  # noqa: PLC0415  # both come with the extra
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415

    with file.open(encoding="utf-8") as stream:
        pipeline_spec = next(yaml.safe_load_all(stream))
    template = file.with_name("vertex.yaml")
    template.write_text(yaml.safe_dump(pipeline_spec), encoding="utf-8")
    try:
        job = aiplatform.PipelineJob(
            display_name=name,
            template_path=str(template),
            pipeline_root=staging_bucket,
            parameter_values=arguments,
            enable_caching=None if use_cache else False,
            project=project_id,
            location=region,
        )
        job.submit()
    except (GoogleAuthError, GoogleAPIError, ValueError) as error:  # a region that is none is a ValueError
        remedy = "Log in with `gcloud auth application-default login`, and check the project, the region and your roles."
        raise UserError("Vertex AI takes the pipeline.", received=error, remedy=remedy) from error
    console_page = "https://console.cloud.google.com/vertex-ai/pipelines/locations"
    return f"{console_page}/{region}/runs/{job.resource_name.rpartition('/')[2]}?project={project_id}"


def _import_aiplatform() -> Any:
    try:
        from google.cloud import aiplatform  # noqa: PLC0415  # an extra of its own, which is large
    except ImportError as error:
        remedy = "Install the extra: pip install 'sluice[vertex]'."
        raise UserError("Vertex AI is reached through google-cloud-aiplatform.", received=error, remedy=remedy) from error
    return aiplatform

"""Submits the training pipeline to Vertex AI Pipelines, which take the same compiled file."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import yaml

from components._shared.errors import UserError

_NETWORK = re.compile(r"projects/[^/]+/global/networks/[^/]+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run is started, and what it may reach.

    Attributes:
        project_id: The Google Cloud project.
        region: Where it runs, such as `europe-west4`.
        staging_bucket: Bucket, or a folder in one, for what the stages write, `gs://…`; the pipeline's root.
        service_account: As whom the stages run; empty for the project's default.
        network: Full name of the network that they are peered with, as `projects/12345/global/networks/vpc`; empty for none.
    """

    project_id: str
    region: str
    staging_bucket: str
    service_account: str = ""
    network: str = ""


def submit_to_vertex(file: Path, arguments: dict[str, Any], place: Place, *, name: str, use_cache: bool = True) -> str:
    """Starts a run with application default credentials, and returns the address of its page.

    What the `cluster` section asks of Kubernetes has no meaning there and is left out; resources and retries stay.

    Args:
        file: The compiled pipeline.
        arguments: Pipeline parameters that differ from their defaults.
        place: Where it runs.
        name: Name of the run.
        use_cache: Whether earlier results may be used, where the stage policies allow it.

    Raises:
        UserError: If the library is not installed, a setting is missing or wrong, or Google says no.
    """
    _check_place(place)
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
            pipeline_root=place.staging_bucket,
            parameter_values=arguments,
            enable_caching=None if use_cache else False,
            project=place.project_id,
            location=place.region,
        )
        job.submit(service_account=place.service_account or None, network=place.network or None)
    except (GoogleAuthError, GoogleAPIError, ValueError) as error:  # a region that is none is a ValueError
        remedy = "Log in with `gcloud auth application-default login`, and check the project, the region and your roles."
        raise UserError("Vertex AI takes the pipeline.", received=error, remedy=remedy) from error
    console_page = "https://console.cloud.google.com/vertex-ai/pipelines/locations"
    return f"{console_page}/{place.region}/runs/{job.resource_name.rpartition('/')[2]}?project={place.project_id}"


def _check_place(place: Place) -> None:
    settings = {"--project-id": place.project_id, "--region": place.region, "--staging-bucket": place.staging_bucket}
    if missing := [option for option, value in settings.items() if not value]:
        raise UserError(
            "Vertex AI needs to know where to run.", received=f"no {', '.join(missing)}", remedy="Give these options."
        )
    if not place.staging_bucket.startswith("gs://"):
        raise UserError("The staging bucket is a gs:// URL.", received=place.staging_bucket)
    if place.network and not _NETWORK.fullmatch(place.network):
        rule = "A network has its full name, with the project's number: projects/12345/global/networks/vpc."
        raise UserError(rule, received=place.network)


def _import_aiplatform() -> Any:
    try:
        from google.cloud import aiplatform  # noqa: PLC0415  # an extra of its own, which is large
    except ImportError as error:
        remedy = "Install the extra: pip install 'sluice[vertex]'."
        raise UserError("Vertex AI is reached through google-cloud-aiplatform.", received=error, remedy=remedy) from error
    return aiplatform

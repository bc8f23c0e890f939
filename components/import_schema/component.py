"""The interface of import_schema: what Kubeflow sees. The program is `python -m components.import_schema`."""

from kfp import dsl

from components._shared.images import IMAGE


@dsl.container_component
def import_schema(
    project_dir: str,
    schema_hash: str,
    schema: dsl.Output[dsl.Artifact],
) -> dsl.ContainerSpec:
    """Takes the curated schema of a project into the pipeline.

    Args:
        project_dir: Folder of the project, which holds `schema.pbtxt`.
        schema_hash: Digest of the schema file at compile time; a file that has changed since is refused.

    Returns:
        schema: The schema as `schema.pbtxt`.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["python", "-m", "components.import_schema"],
        args=[
            "--project_dir",
            project_dir,
            "--schema_hash",
            schema_hash,
            "--schema",
            schema.path,
            "--executor_input",
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )

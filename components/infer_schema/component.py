"""The interface of infer_schema: what Kubeflow sees. The program is `python -m components.infer_schema`."""

from kfp import dsl

from components._shared.images import IMAGE


@dsl.container_component
def infer_schema(
    statistics: dsl.Input[dsl.Artifact],
    schema: dsl.Output[dsl.Artifact],
) -> dsl.ContainerSpec:
    """Infers a schema from the statistics of the training split.

    Args:
        statistics: One statistics proto per split.

    Returns:
        schema: The inferred schema as `schema.pbtxt`.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["python", "-m", "components.infer_schema"],
        args=[
            "--statistics",
            statistics.path,
            "--schema",
            schema.path,
            "--executor_input",
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )

"""The interface of generate_statistics: what Kubeflow sees. The program is `python -m components.generate_statistics`."""

from kfp import dsl

from components._shared.images import IMAGE


@dsl.container_component
def generate_statistics(
    examples: dsl.Input[dsl.Dataset],
    schema: dsl.Input[dsl.Artifact],
    statistics: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.HTML],
) -> dsl.ContainerSpec:
    """Computes TFDV statistics of every split.

    Args:
        examples: The examples.
        schema: The schema.

    Returns:
        statistics: One statistics proto per split.
        report: The statistics as a page.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["python", "-m", "components.generate_statistics"],
        args=[
            "--examples",
            examples.path,
            "--schema",
            schema.path,
            "--statistics",
            statistics.path,
            "--report",
            report.path,
            "--executor_input",
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )

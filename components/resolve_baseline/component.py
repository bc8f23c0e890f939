"""The interface of resolve_baseline: what Kubeflow sees. The program is `python -m components.resolve_baseline`."""

from kfp import dsl

from components._shared.images import IMAGE


@dsl.container_component
def resolve_baseline(
    serving_dir: str,
    version: dsl.OutputPath(str),
    model_digest: dsl.OutputPath(str),
    pushed_digest: dsl.OutputPath(str),
) -> dsl.ContainerSpec:
    """Finds the live version of the model; never cached, so that it looks anew each time.

    Args:
        serving_dir: Base path of the model in the serving directory.

    Returns:
        version: The live version; empty when none is live.
        model_digest: Digest of the live model as trained; empty when none is live.
        pushed_digest: Digest of the live version's whole folder; empty when none is live.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["python", "-m", "components.resolve_baseline"],
        args=[
            "--serving_dir",
            serving_dir,
            "--version",
            version,
            "--model_digest",
            model_digest,
            "--pushed_digest",
            pushed_digest,
            "--executor_input",
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )

"""The interface of fetch_baseline: what Kubeflow sees. The program is `python -m components.fetch_baseline`."""

from kfp import dsl

from components._shared.images import IMAGE


@dsl.container_component
def fetch_baseline(
    serving_dir: str,
    version: str,
    model_digest: str,
    pushed_digest: str,
    baseline: dsl.Output[dsl.Model],
) -> dsl.ContainerSpec:
    """Copies the live version into an artifact, with its statistics and evaluation.

    Args:
        serving_dir: Base path of the model in the serving directory.
        version: The live version; empty when none is live.
        model_digest: Expected digest of the live model as trained.
        pushed_digest: Expected digest of the live version's whole folder.

    Returns:
        baseline: The live version in `model/`, and `baseline.json`, which is there even when none is live.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["python", "-m", "components.fetch_baseline"],
        args=[
            "--serving_dir",
            serving_dir,
            "--version",
            version,
            "--model_digest",
            model_digest,
            "--pushed_digest",
            pushed_digest,
            "--baseline",
            baseline.path,
            "--executor_input",
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )

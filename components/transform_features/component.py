"""The interface of transform_features: what Kubeflow sees. The program is `python -m components.transform_features`."""

from kfp import dsl

from components._shared.images import IMAGE


@dsl.container_component
def transform_features(
    examples: dsl.Input[dsl.Dataset],
    schema: dsl.Input[dsl.Artifact],
    anomalies: dsl.Input[dsl.Artifact],
    project_dir: str,
    features_hash: str,
    transform_graph: dsl.Output[dsl.Artifact],
    transformed_examples: dsl.Output[dsl.Dataset],
) -> dsl.ContainerSpec:
    """Fits the transform graph on the training split and applies it; refuses data with anomalies.

    Args:
        examples: The examples.
        schema: The schema.
        anomalies: The data gate's report; the stage refuses to go on when the gate failed.
        project_dir: Folder of the project, which holds `features.py`.
        features_hash: Digest of `features.py` and of what it may import, at compile time; changed code is refused.

    Returns:
        transform_graph: The transform graph in TFT's layout.
        transformed_examples: Transformed train and eval splits.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["python", "-m", "components.transform_features"],
        args=[
            "--examples",
            examples.path,
            "--schema",
            schema.path,
            "--anomalies",
            anomalies.path,
            "--project_dir",
            project_dir,
            "--features_hash",
            features_hash,
            "--transform_graph",
            transform_graph.path,
            "--transformed_examples",
            transformed_examples.path,
            "--executor_input",
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )

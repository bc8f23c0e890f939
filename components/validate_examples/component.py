"""The interface of validate_examples: what Kubeflow sees. The program is `python -m components.validate_examples`."""

from kfp import dsl

from components._shared.images import IMAGE


@dsl.container_component
def validate_examples(
    examples: dsl.Input[dsl.Dataset],
    statistics: dsl.Input[dsl.Artifact],
    schema: dsl.Input[dsl.Artifact],
    baseline: dsl.Input[dsl.Model],
    eval_config: dict,
    policy: dict,
    policy_hash: str,
    overrides: dict,
    anomalies: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.HTML],
) -> dsl.ContainerSpec:
    """Validates the statistics against the schema, and against the baseline's for drift; only reports.

    Args:
        examples: The examples, for their data version.
        statistics: One statistics proto per split.
        schema: The schema.
        baseline: The live version with its training statistics, or an artifact that says that none is live.
        eval_config: A tfma.EvalConfig in JSON form, which the policy's hash covers.
        policy: The gates' bounds.
        policy_hash: Hash of the policy.
        overrides: What this run tightens.

    Returns:
        anomalies: Anomalies by split as protos and as text, and the data gate's report.
        report: The anomalies as a page.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["python", "-m", "components.validate_examples"],
        args=[
            "--examples",
            examples.path,
            "--statistics",
            statistics.path,
            "--schema",
            schema.path,
            "--baseline",
            baseline.path,
            "--eval_config",
            eval_config,
            "--policy",
            policy,
            "--policy_hash",
            policy_hash,
            "--overrides",
            overrides,
            "--anomalies",
            anomalies.path,
            "--report",
            report.path,
            "--executor_input",
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )

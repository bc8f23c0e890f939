"""The interface of validate_serving: what Kubeflow sees. The program is `python -m components.validate_serving`."""

from kfp import dsl

from components._shared.images import IMAGE


@dsl.container_component
def validate_serving(
    model: dsl.Input[dsl.Model],
    baseline: dsl.Input[dsl.Model],
    examples: dsl.Input[dsl.Dataset],
    transformed_examples: dsl.Input[dsl.Dataset],
    schema: dsl.Input[dsl.Artifact],
    evaluation: dsl.Input[dsl.Artifact],
    eval_config: dict,
    policy: dict,
    policy_hash: str,
    overrides: dict,
    serving_report: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.HTML],
) -> dsl.ContainerSpec:
    """Checks that the exported model loads and answers as it was evaluated.

    Args:
        model: The candidate.
        baseline: The live version, for the evidence.
        examples: The raw examples.
        transformed_examples: The transformed eval split as training saw it.
        schema: The schema.
        evaluation: The evaluation with its predictions.
        eval_config: A tfma.EvalConfig in JSON form, which the policy's hash covers.
        policy: The gates' bounds.
        policy_hash: Hash of the policy.
        overrides: What this run tightens.

    Returns:
        serving_report: Measurements and the gates' report.
        report: Signatures, latency, parity, robustness and business rules as a page.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["python", "-m", "components.validate_serving"],
        args=[
            "--model",
            model.path,
            "--baseline",
            baseline.path,
            "--examples",
            examples.path,
            "--transformed_examples",
            transformed_examples.path,
            "--schema",
            schema.path,
            "--evaluation",
            evaluation.path,
            "--eval_config",
            eval_config,
            "--policy",
            policy,
            "--policy_hash",
            policy_hash,
            "--overrides",
            overrides,
            "--serving_report",
            serving_report.path,
            "--report",
            report.path,
            "--executor_input",
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )

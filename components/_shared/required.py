"""Which gates a release needs, and who reports them."""

import dataclasses

from components._shared.artifacts import DETAILS_FILE, EVALUATION_FILE, MANIFEST_FILE, PREDICTIONS_FILE, TRAINING_FILE
from components._shared.policy import Policy


@dataclasses.dataclass(frozen=True, kw_only=True)
class RequiredGate:
    """A gate without which nothing is released.

    Attributes:
        gate: Name of the gate.
        stage: The one stage whose word counts.
        artifact: The artifact in which that stage leaves its report.
        after_training: Whether the report knows the model; one made before training names none.
    """

    gate: str
    stage: str
    artifact: str
    after_training: bool = True


REQUIRED = (
    RequiredGate(gate="data", stage="validate_examples", artifact="anomalies", after_training=False),
    RequiredGate(gate="performance", stage="evaluate_model", artifact="evaluation"),
    RequiredGate(gate="fairness", stage="evaluate_model", artifact="evaluation"),
    RequiredGate(gate="regression", stage="evaluate_model", artifact="evaluation"),
    RequiredGate(gate="calibration", stage="evaluate_model", artifact="evaluation"),
    RequiredGate(gate="serving", stage="validate_serving", artifact="serving_report"),
    RequiredGate(gate="parity", stage="validate_serving", artifact="serving_report"),
    RequiredGate(gate="robustness", stage="validate_serving", artifact="serving_report"),
    RequiredGate(gate="business_rules", stage="validate_serving", artifact="serving_report"),
)

DOCUMENTS = {
    "anomalies": (MANIFEST_FILE,),
    "evaluation": (MANIFEST_FILE, TRAINING_FILE, EVALUATION_FILE, PREDICTIONS_FILE, DETAILS_FILE),
    "serving_report": (MANIFEST_FILE, TRAINING_FILE, DETAILS_FILE),
}
"""Files whose digests the report in each artifact names: a decision shows them, or a release carries them."""


def why_not_applicable(gate: str, policy: Policy, baseline_version: str) -> str:
    """Returns why a gate may say that it does not apply, as a sentence; empty when it may not.

    Args:
        gate: Name of the gate.
        policy: The gates' bounds.
        baseline_version: The live version; empty when none is live.
    """
    if gate == "regression" and not baseline_version:
        return "No version is live to compare with."
    if gate == "fairness" and not policy.fairness.protected:
        return "The policy names no protected feature."
    if gate == "business_rules" and not policy.business_rules.rules:
        return "The policy has no business rule."
    return ""

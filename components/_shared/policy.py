"""The policy of the gates: one frozen dataclass per gate, as project.yaml gives them and as stages receive them.

The pipeline's configuration validates these same classes through pydantic; the stages, which have no pydantic, read
them back with `read_policy`. There is one definition of every bound.
"""

import dataclasses
import json
from typing import Any, Literal

from components._shared.digest import digest_parts
from components._shared.errors import UserError

LEAST_REQUESTS = 299
"""Timed requests that a 95 % upper limit of p99 takes: the least n with 0.99^n <= 0.05."""

DEADLINE_HOURS = (1, 8760)
"""The shortest and the longest time that a candidate may wait for a person: an hour and a year."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Gate:
    """What every gate has.

    Attributes:
        off: The author's reason for switching the gate off; empty leaves it on.
    """

    off: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataGate(_Gate):
    """Bounds on the data.

    Attributes:
        min_rows: Least number of rows, by split.
    """

    min_rows: dict[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PerformanceGate(_Gate):
    """How the thresholds of the evaluation configuration are judged.

    Attributes:
        min_slice_size: Slices with fewer rows are reported, not judged.
    """

    min_slice_size: int = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class FairnessGate(_Gate):
    """Bounds on the differences between groups at the decision threshold.

    Attributes:
        protected: Features whose values are the groups.
        decision_threshold: Predictions above it count as positive, in [0, 1].
        max_true_positive_rate_difference: Greatest allowed difference between any two groups, in [0, 1].
        max_false_positive_rate_difference: Greatest allowed difference between any two groups, in [0, 1].
        min_group_size: Groups with fewer rows are reported, not judged.
    """

    protected: tuple[str, ...] = ()
    decision_threshold: float = 0.5
    max_true_positive_rate_difference: float = 0.1
    max_false_positive_rate_difference: float = 0.1
    min_group_size: int = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class RegressionGate(_Gate):
    """The comparison with the live version on the same rows; change thresholds of the evaluation configuration hold besides.

    Attributes:
        metric: What is compared; `auto` is the area under the ROC curve of a binary label, the accuracy of a multiclass one,
            the mean absolute error of a numeric one.
        mode: "non_inferior" lets the candidate be worse by up to the margin, "better" demands that it is better; both ask it
            of the whole confidence interval.
        margin: Greatest allowed loss in units of the metric, not negative; "better" ignores it.
        resample: What is drawn: the rows that share a value of the split's key together, or each row for itself.
        confidence: Confidence of the two-sided interval, from 0.5 to less than 1.
        resamples: Number of bootstrap resamples, at least 100.
        seed: Seed of the resamples.
    """

    metric: Literal[
        "auto",
        "auc",
        "accuracy",
        "binary_crossentropy",
        "categorical_crossentropy",
        "brier",
        "mean_absolute_error",
        "mean_squared_error",
    ] = "auto"
    mode: Literal["non_inferior", "better"] = "non_inferior"
    margin: float = 0.01
    resample: Literal["split_key", "row"] = "split_key"
    confidence: float = 0.95
    resamples: int = 1000
    seed: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServingGate(_Gate):
    """Bounds on how the exported model answers.

    Attributes:
        max_p99_ms: Greatest 99th percentile of the latency in milliseconds, by batch size (as text, for JSON); the upper end
            of its confidence interval is judged.
        max_size_mb: Greatest size of the SavedModel on disk in megabytes (10^6 bytes).
        max_cold_start_s: Greatest time in seconds from loading to the first answer; None to report it only.
        max_memory_mb: Greatest memory in megabytes (10^6 bytes) that the model adds to the runtime; None to report it only.
        requests: Timed requests per batch size, at least `LEAST_REQUESTS`.
    """

    max_p99_ms: dict[str, float] = dataclasses.field(default_factory=lambda: {"1": 100.0})
    max_size_mb: float = 500.0
    max_cold_start_s: float | None = None
    max_memory_mb: float | None = None
    requests: int = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParityGate(_Gate):
    """Agreement of the serving signatures with the evaluation's predictions.

    Attributes:
        tolerance: Greatest allowed difference: of a probability as it is, of a numeric prediction and of a transformed
            feature relative to its value or its standard deviation, whichever is larger.
        rows: Number of test rows whose predictions, and of eval rows whose transformed features, are compared.
    """

    tolerance: float = 1e-5
    rows: int = 2000


@dataclasses.dataclass(frozen=True, kw_only=True)
class RobustnessGate(_Gate):
    """How the exported model takes what clients send by mistake.

    Attributes:
        rows: Number of sampled test rows that are changed and sent.
        seed: Seed of the sample and of the noise.
        noise: Greatest relative change of a number; predictions must stay stable under it.
        max_mean_change: Greatest mean absolute change of the prediction under noise, in [0, 1]; of a numeric label in
            standard deviations of the sample's predictions.
        max_p99_change: Greatest 99th percentile of the absolute change of the prediction under noise, as above.
        required_nan_must_be_finite: Whether NaN and infinities in a required feature are judged; else they are reported.
    """

    rows: int = 500
    seed: int = 0
    noise: float = 0.01
    max_mean_change: float = 0.1
    max_p99_change: float = 0.4
    required_nan_must_be_finite: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class BusinessRulesGate(_Gate):
    """What the author promises of every prediction.

    Attributes:
        rules: The rules as mappings; see `components._shared.rules`.
        rows: Number of sampled test rows that the rules are tried on.
        seed: Seed of the sample.
    """

    rules: tuple[dict[str, Any], ...] = ()
    rows: int = 2000
    seed: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ApprovalGate(_Gate):
    """Whether a person has to agree before a model goes live.

    Attributes:
        required: Whether a release that every other gate lets through waits for a person.
        deadline_hours: How long it waits, from the decision on: from an hour to a year.
    """

    required: bool = False
    deadline_hours: float = 168.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Policy:
    """All gates of a project."""

    data: DataGate = DataGate()
    performance: PerformanceGate = PerformanceGate()
    fairness: FairnessGate = FairnessGate()
    regression: RegressionGate = RegressionGate()
    serving: ServingGate = ServingGate()
    parity: ParityGate = ParityGate()
    robustness: RobustnessGate = RobustnessGate()
    business_rules: BusinessRulesGate = BusinessRulesGate()
    approval: ApprovalGate = ApprovalGate()


def policy_to_json(policy: Policy) -> dict[str, Any]:
    """Returns the policy as a JSON object, with tuples as lists and without bounds that are None: KFP has no null."""
    document = json.loads(json.dumps(dataclasses.asdict(policy)))
    return {name: {key: value for key, value in gate.items() if value is not None} for name, gate in document.items()}


def read_policy(document: dict[str, Any]) -> Policy:
    """Reads a policy from the JSON object that the pipeline passes.

    Raises:
        UserError: If a gate or a bound is unknown, or a bound is of another type than its default.
    """
    kinds = {field.name: type(field.default) for field in dataclasses.fields(Policy)}
    if unknown := set(document) - set(kinds):
        raise UserError("A policy holds only known gates.", received=sorted(unknown), remedy=f"Known: {sorted(kinds)}.")
    return Policy(**{name: _read_gate(name, kinds[name], values) for name, values in document.items()})


def _read_gate(name: str, kind: type, document: Any) -> Any:
    if not isinstance(document, dict):
        raise UserError(f"The gate {name!r} is an object of settings.", received=repr(document))
    values, defaults = {key: _read_value(value) for key, value in document.items()}, vars(kind())
    if unknown := set(values) - set(defaults):
        raise UserError(
            f"The gate {name!r} has only known settings.", received=sorted(unknown), remedy=f"Known: {sorted(defaults)}."
        )
    for key, value in values.items():
        if not _suits(value, defaults[key], dict if key == "rules" else str):
            what = "number or null" if defaults[key] is None else type(defaults[key]).__name__
            raise UserError(f"{name}.{key} is a {what}, as its default {defaults[key]!r} is.", received=repr(value))
    if values.get("off") and not values["off"].strip():
        raise UserError(f"A gate is switched off with a reason, in {name}.off.", received=repr(values["off"]))
    least, most = DEADLINE_HOURS
    if not least <= values.get("deadline_hours", least) <= most:
        raise UserError(f"{name}.deadline_hours is from {least} to {most}.", received=values["deadline_hours"])
    return kind(**values)


def _read_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _read_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_read_value(item) for item in value)
    # Kubeflow passes numbers on as doubles; a whole one is an integer to every bound that counts something.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _suits(value: Any, default: Any, item_type: type = str) -> bool:
    if default is None:  # a bound that need not be given
        return value is None or _suits(value, 0.0)
    if isinstance(default, dict):
        return isinstance(value, dict) and all(_suits(item, 0.0) for item in value.values())
    if isinstance(default, tuple):
        return isinstance(value, tuple) and all(isinstance(item, item_type) for item in value)
    return type(value) in ((int, float) if isinstance(default, float) else (type(default),))


def hash_policy(document: dict[str, Any], eval_config: dict[str, Any]) -> str:
    """Returns `sha256:<hex>` over everything that decides: the gates' bounds and the evaluation's configuration."""
    return digest_parts([json.dumps(_with_plain_numbers([document, eval_config]), sort_keys=True)])


def check_policy_hash(document: dict[str, Any], eval_config: dict[str, Any], expected: str) -> None:
    """Checks that a policy is the one that its hash speaks of: reports that agree on a hash then agree on the bounds.

    Raises:
        UserError: If it is another.
    """
    if (actual := hash_policy(document, eval_config)) != expected:
        raise UserError(
            "The policy and the evaluation's configuration are those that the pipeline was compiled with.",
            received=f"{actual} instead of {expected or 'no hash'}",
            remedy="Change the bounds in project.yaml and compile the pipeline again.",
        )


def _with_plain_numbers(value: Any) -> Any:
    """Writes whole floats as integers: YAML, JSON and Kubeflow write 50 and 50.0 for the same bound."""
    if isinstance(value, dict):
        return {key: _with_plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_plain_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value

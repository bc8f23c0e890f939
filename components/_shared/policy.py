"""The policy of the gates: one frozen dataclass per gate, as project.yaml gives them and as stages receive them.

The pipeline's configuration validates these same classes through pydantic; the stages, which have no pydantic, read
them back by `policy_documents`. There is one definition of every bound.
"""

import dataclasses
from typing import Any, Literal

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
    """Bounds on the differences between groups in what is decided; a bound that is left out is reported, not judged.

    Attributes:
        protected: Features whose values are the groups; "sex*race" stands for each combination of both.
        decision_threshold: Predictions above it are favourable, or otherwise decided alike; one number or several, in [0, 1]
            for a binary label and in the label's unit for a numeric one.
        favourable_classes: Names of the favourable classes of a multiclass label.
        max_demographic_parity_difference: Greatest difference of the selection rates of any two groups, in [0, 1].
        min_demographic_parity_ratio: Least ratio of the smallest to the largest selection rate, in [0, 1].
        max_equal_opportunity_difference: Greatest difference of the true positive rates of any two groups, in [0, 1].
        min_equal_opportunity_ratio: Least ratio of the smallest to the largest true positive rate, in [0, 1].
        max_equalized_odds_difference: Greatest difference of the true or of the false positive rates, in [0, 1].
        min_equalized_odds_ratio: Least ratio of the true or of the false positive rates, in [0, 1].
        min_group_size: A rate over fewer rows fails only where its interval proves that a bound does not hold.
        confidence: Confidence of the intervals, from 0.5 to less than 1.
    """

    protected: tuple[str, ...] = ()
    decision_threshold: float | tuple[float, ...] = 0.5
    favourable_classes: tuple[str, ...] = ()
    max_demographic_parity_difference: float | None = None
    min_demographic_parity_ratio: float | None = None
    max_equal_opportunity_difference: float | None = None
    min_equal_opportunity_ratio: float | None = None
    max_equalized_odds_difference: float | None = None
    min_equalized_odds_ratio: float | None = None
    min_group_size: int = 50
    confidence: float = 0.95

    @property
    def decision_thresholds(self) -> tuple[float, ...]:
        """All thresholds; the first one is that of the confusion matrix."""
        given = self.decision_threshold
        return given if isinstance(given, tuple) else (given,)


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
class CalibrationGate(_Gate):
    """Bounds on the distance of predictions from what happens, beyond what chance explains.

    Attributes:
        bins: Number of bins of equal width over [0, 1], at least 2.
        max_calibration_error: Greatest expected calibration error of a binary or multiclass label, in [0, 1].
        max_base_rate_ratio: Greatest ratio of label rate and mean prediction, either over the other, at least 1; for each
            class of a multiclass label.
        max_mean_difference: Greatest distance of mean prediction and mean label of a numeric label, in standard deviations of
            the label.
        min_rows: With fewer rows of the test split nothing is judged, and the gate says no.
        confidence: Share of perfectly calibrated models that chance keeps below what it may explain, from 0.5 to less than 1.
        resamples: Number of label sets drawn from the predictions, at least 100.
        seed: Seed of the resamples.
    """

    bins: int = 15
    max_calibration_error: float = 0.1
    max_base_rate_ratio: float = 1.25
    max_mean_difference: float = 0.1
    min_rows: int = 100
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
        max_cold_start_s: Greatest time in seconds from the server's start to AVAILABLE; None to report it only.
        max_memory_mb: Greatest memory in megabytes (10^6 bytes) of the server's process; None to report it only.
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
        transform_off: The reason why transformed features are not compared, where a run_fn exports a model without the
            signature transform_features; empty to compare them.
    """

    tolerance: float = 1e-5
    rows: int = 2000
    transform_off: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RobustnessGate(_Gate):
    """How the exported model takes what clients send by mistake.

    Attributes:
        rows: Number of sampled test rows that are changed and sent.
        seed: Seed of the sample and of the noise.
        noise: Greatest change of a number in standard deviations of its feature; predictions must stay stable under it.
        max_mean_change: Greatest mean absolute change of the prediction under noise, in [0, 1]; of a numeric label in
            standard deviations of the sample's predictions.
        max_p99_change: Greatest 99th percentile of the absolute change of the prediction under noise, as above.
        required_nan_must_be_finite: Whether NaN and infinities in a required feature are judged; else they are reported.
        max_range_factor: How far an answer for a numeric label may lie below the least or above the greatest label of the test
            split, in widths of the labels' range; at least 0.
    """

    rows: int = 500
    seed: int = 0
    noise: float = 0.05
    max_mean_change: float = 0.05
    max_p99_change: float = 0.2
    required_nan_must_be_finite: bool = False
    max_range_factor: float = 10.0


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
    calibration: CalibrationGate = CalibrationGate()
    serving: ServingGate = ServingGate()
    parity: ParityGate = ParityGate()
    robustness: RobustnessGate = RobustnessGate()
    business_rules: BusinessRulesGate = BusinessRulesGate()
    approval: ApprovalGate = ApprovalGate()

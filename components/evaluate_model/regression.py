"""Judges the candidate against the live version: not worse than it by more than a margin, beyond what chance explains."""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from components._shared.artifacts import BASELINE, CANDIDATE
from components._shared.errors import UserError
from components._shared.gates import GateResult, Measurement, Verdict
from components._shared.label import REGRESSION_METRICS, LabelKind
from components._shared.policy import RegressionGate
from components.evaluate_model.paired import Interval, Pair, percentile_interval
from components.evaluate_model.paired_metrics import make_pair

MODES = ("non_inferior", "better")
AUTO = "auto"
MIN_CLUSTERS = 10
"""With fewer clusters the bootstrap's interval is much too narrow (Cameron, Gelbach, Miller 2008, "Bootstrap-Based
Improvements for Inference with Clustered Errors")."""

_UNDEFINED = Interval(math.nan, math.nan)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """Both models on the same rows.

    Attributes:
        policy: The gate's settings.
        metric: What is compared.
        rows: Number of rows.
        units: What was resampled, such as "rows" or "27 clusters".
        problem: Why the rows cannot compare the models, as a sentence; then there are no numbers. Empty when they can.
        candidate: The candidate's metric.
        live: The live version's.
        gain: By how much the candidate is better, in units of the metric.
        interval: The bootstrap's interval of the gain, which is judged.
        analytic: The interval by a formula, for comparison; None with too few rows for it.
        method: Name of that formula.
        blind: Whether the rows show no variation at all though more rows might: an interval of no width is then no evidence.
    """

    policy: RegressionGate
    metric: str
    rows: int
    units: str = "rows"
    problem: str = ""
    candidate: float = math.nan
    live: float = math.nan
    gain: float = math.nan
    interval: Interval = _UNDEFINED
    analytic: Interval | None = None
    method: str = ""
    blind: bool = False

    @property
    def bound(self) -> float:
        """Returns what the lower end of the interval has to reach, or to exceed where the candidate must be better."""
        return 0.0 if self.policy.mode == "better" else 0.0 - self.policy.margin  # 0.0 and not -0.0 without a margin

    @property
    def passed(self) -> bool:
        """Returns whether the bound holds; never where a number is missing."""
        lower = self.interval.lower
        holds = lower > self.bound if self.policy.mode == "better" else lower >= self.bound
        return holds and not self.blind and not self.problem

    @property
    def methods_agree(self) -> bool:
        """Returns whether both intervals have a value in common; True without a second one."""
        return self.analytic is None or self.interval.overlaps(self.analytic)


def compare_models(
    labels: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    policy: RegressionGate,
    *,
    kind: LabelKind = LabelKind.BINARY,
    clusters: np.ndarray | None = None,
) -> Comparison | None:
    """Returns the comparison; None without a live version's predictions.

    Args:
        labels: Zeros and ones, numbers of classes, or values; of shape [rows].
        predictions: Probabilities or values by model, of shape [rows]; [rows, classes] of a multiclass label.
        policy: The gate's settings.
        kind: Kind of the label.
        clusters: Number of each row's cluster; None where every row stands for itself. The policy may ask for rows.

    Raises:
        UserError: If the policy names an unknown metric or mode, or a metric of another kind of label.
    """
    _check_settings(policy, kind)
    if BASELINE not in predictions:
        return None
    metric = REGRESSION_METRICS[kind][0] if policy.metric == AUTO else policy.metric
    clusters = clusters if policy.resample == "split_key" else None
    blank = Comparison(policy=policy, metric=metric, rows=len(labels))
    if problem := _find_problem(labels, kind, clusters):
        return dataclasses.replace(blank, problem=problem)
    pair = make_pair(metric, labels, predictions[CANDIDATE], predictions[BASELINE], kind=kind, clusters=clusters)
    gains = pair.bootstrap(policy.resamples, policy.seed)
    if undefined := int(np.sum(np.isnan(gains))):
        found = f"{undefined:,} of {policy.resamples:,} resamples hold one class only"
        numbers = f"of its {len(labels):,} rows {int(labels.sum()):,} are positive, and {found}"
        return dataclasses.replace(blank, problem=f"The test split is too small to tell: {numbers}.")
    interval = percentile_interval(gains, policy.confidence)
    return dataclasses.replace(
        blank,
        units="rows" if pair.clusters is None else f"{pair.units:,} clusters",
        candidate=pair.candidate,
        live=pair.live,
        gain=pair.gain(np.ones(pair.rows)),
        interval=interval,
        analytic=pair.analytic_interval(policy.confidence),
        method=pair.method,
        blind=interval.lower == interval.upper and _is_blind(pair, policy),
    )


def judge_comparison(comparison: Comparison) -> GateResult:
    """Returns the regression gate, without the change thresholds of the evaluation's configuration."""
    verdict = Verdict.PASSED if comparison.passed else Verdict.FAILED
    if comparison.problem:
        missing = Measurement(name=_name_lower(comparison), value=None, rows=comparison.rows, passed=False, note="not defined")
        return GateResult(gate="regression", verdict=verdict, reason=comparison.problem, measurements=(missing,))
    measurements = (_measure_lower(comparison), *_measure_rest(comparison))
    return GateResult(gate="regression", verdict=verdict, reason=_reason(comparison), measurements=measurements)


def _check_settings(policy: RegressionGate, kind: LabelKind) -> None:
    for key, known in (("metric", (AUTO, *REGRESSION_METRICS[kind])), ("mode", MODES), ("resample", ("split_key", "row"))):
        if (value := getattr(policy, key)) not in known:
            rule = f"gates.regression.{key} is one that suits a {kind} label."
            raise UserError(rule, received=repr(value), remedy=f"Known: {list(known)}.")
    if not 0 < policy.confidence < 1 or policy.resamples < 1 or policy.margin < 0:
        rule = "gates.regression has a confidence within (0, 1), at least one resample and no negative margin."
        raise UserError(rule, received=policy)


def _find_problem(labels: np.ndarray, kind: LabelKind, clusters: np.ndarray | None) -> str:
    """Returns why the rows cannot compare two models, as a sentence; empty when they can."""
    if kind is not LabelKind.NUMERIC and labels.min() == labels.max():
        return f"All {len(labels):,} rows of the test split have the same label: they cannot compare two models."
    if clusters is not None and (found := int(clusters.max()) + 1) < MIN_CLUSTERS:
        return (
            f"The test split holds {found} values of splits.key; at least {MIN_CLUSTERS} are needed to tell chance from a "
            "difference. Read more data, give `test` a larger share, or set gates.regression.resample to row if rows that "
            "share a key are independent."
        )
    return ""


def _is_blind(pair: Pair, policy: RegressionGate) -> bool:
    """Returns whether rows that show no variation may hide a difference as large as the margin.

    Of n rows without one event the event's rate is, at this confidence, at most 1 - (1 - confidence)^(1/n): about 3/n at 95 %
    (the rule of three; Hanley, Lippman-Hand 1983, "If Nothing Goes Wrong, Is Everything All Right?").
    """
    possible = 1 - (1 - policy.confidence) ** (1 / min(pair.informative, pair.units))
    return not pair.alike and possible > policy.margin


def _measure_lower(comparison: Comparison) -> Measurement:
    notes = [f"paired bootstrap over {comparison.units}, {comparison.policy.resamples:,} resamples"]
    notes += ["has to be above 0"] if comparison.policy.mode == "better" else []
    notes += ["so few rows without any variation prove nothing"] if comparison.blind else []
    return Measurement(
        name=_name_lower(comparison),
        value=comparison.interval.lower,
        lower_bound=comparison.bound,
        rows=comparison.rows,
        passed=comparison.passed,
        note="; ".join(notes),
    )


def _measure_rest(comparison: Comparison) -> list[Measurement]:
    metric, rows = comparison.metric, comparison.rows
    measured = [
        Measurement(name=f"gain in {metric}", value=comparison.gain, rows=rows, note="positive where the candidate is better"),
        Measurement(name=f"upper end of the gain in {metric}", value=comparison.interval.upper, rows=rows),
        Measurement(name=f"{metric} of the candidate", value=comparison.candidate, rows=rows),
        Measurement(name=f"{metric} of the live version", value=comparison.live, rows=rows),
    ]
    if comparison.analytic is None:
        return measured
    note = f"{comparison.method}; for comparison"
    note += "" if comparison.methods_agree else "; the two intervals do not overlap"
    ends = ("lower", comparison.analytic.lower), ("upper", comparison.analytic.upper)
    named = [(f"{comparison.method} {end} end of the gain in {metric}", value) for end, value in ends]
    return measured + [Measurement(name=name, value=value, rows=rows, note=note) for name, value in named]


def _name_lower(comparison: Comparison) -> str:
    return f"lower end of the gain in {comparison.metric}"


def _reason(comparison: Comparison) -> str:
    policy, interval = comparison.policy, comparison.interval
    values = f"{comparison.candidate:.4g}, that of the live version {comparison.live:.4g}"
    numbers = f"The {comparison.metric} of the candidate is {values}"
    ends = f"{100 * policy.confidence:g} % interval of the gain: {interval.lower:+.4f} to {interval.upper:+.4f}"
    required = "above 0" if policy.mode == "better" else f"at least {comparison.bound:g}"
    return f"{_headline(comparison)} {numbers} ({ends}); all of it has to be {required}."


def _headline(comparison: Comparison) -> str:
    better, upper = comparison.policy.mode == "better", comparison.interval.upper
    if comparison.passed:
        return "The candidate is better beyond chance." if better else "The candidate is not worse by more than allowed."
    if comparison.blind or (upper >= comparison.bound and not better):
        return f"The test split of {comparison.rows:,} rows is too small to tell."
    if better and upper >= 0:
        return f"On {comparison.rows:,} rows the candidate is not better beyond chance."
    return "The candidate is worse than the live version." if better else "The candidate is worse by more than allowed."

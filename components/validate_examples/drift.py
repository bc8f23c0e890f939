"""The comparison with the live version: its training statistics, and how far this training split is from them.

Drift (`drift_comparator` in the schema) and skew (`skew_comparator`) are both measured between the training split of this
run and the training split of the live version. TFDV's word for the other side of a skew comparator is "serving": here
that is the data which the model that serves was trained on, since no serving data is recorded.
"""

import dataclasses
import math
from pathlib import Path

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components._data.schema import TRAINING, read_schema
from components._data.statistics import feature_name, read_statistics
from components._shared.artifacts import RELEASE_STATISTICS_DIR, SCHEMA_FILE, TRAIN
from components._shared.errors import UserError
from components._shared.gates import Measurement
from components._shared.live_version import read_live_version
from components.validate_examples.findings import Finding, Severity

_MEASURES = {
    "L_INFTY": "L-infinity distance",
    "JENSEN_SHANNON_DIVERGENCE": "Jensen-Shannon divergence",
    "NORMALIZED_ABSOLUTE_DIFFERENCE": "normalized absolute difference",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Baseline:
    """The live version, as far as its data goes.

    Attributes:
        version: The live version; empty when none is live.
        statistics: Statistics of its training split; None when none is live or they cannot be read.
        features: Names of the features in its schema; empty when that is unknown.
        release: Folder of what it carries; there only when one is live.
        findings: Why it cannot be compared with, if it cannot.
    """

    version: str = ""
    statistics: statistics_pb2.DatasetFeatureStatisticsList | None = None
    features: frozenset[str] = frozenset()
    release: Path = Path()
    findings: tuple[Finding, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class DriftRow:
    """One measured distance.

    Attributes:
        feature: The feature.
        kind: "drift" or "skew", after the comparator that asked for it.
        measure: What was measured, in words.
        value: The distance; None when it could not be computed.
        bound: The greatest distance allowed.
    """

    feature: str
    kind: str
    measure: str
    value: float | None
    bound: float

    @property
    def passed(self) -> bool:
        """Whether the distance was computed and is within its bound."""
        return self.value is not None and self.value <= self.bound

    def measurement(self) -> Measurement:
        """Returns the row for the gate's report."""
        return Measurement(
            name=f"{self.kind} of {self.feature}: {self.measure}",
            value=self.value,
            slice=f"split={TRAIN}",
            upper_bound=self.bound,
            passed=self.passed,
        )


def read_baseline(folder: str | Path) -> Baseline:
    """Reads the live version's training statistics; what cannot be read becomes a finding, never a silent "none"."""
    try:
        live = read_live_version(folder)
    except UserError as error:
        return Baseline(findings=(_unreadable(str(error)),))
    if not live.version:
        return Baseline()
    statistics = _read_training_statistics(live.release)
    if statistics is None:
        missing = f"Version {live.version} is live, and statistics of its training split are missing or damaged."
        return Baseline(version=live.version, release=live.release, findings=(_unreadable(missing),))
    features = _schema_features(live.release / SCHEMA_FILE)
    return Baseline(version=live.version, statistics=statistics, features=features, release=live.release)


def comparable_schema(schema: schema_pb2.Schema, baseline: Baseline) -> tuple[schema_pb2.Schema, list[Finding]]:
    """Returns the schema with the comparators that can speak, and findings about the others.

    A feature that the live version's schema did not have cannot have drifted; its comparators rest until a version with
    it is live. Otherwise no release could ever add a feature that has a comparator.
    """
    result = schema_pb2.Schema()
    result.CopyFrom(schema)
    found = []
    for feature in result.feature:
        is_new = bool(baseline.features) and feature.name not in baseline.features
        if is_new and (feature.HasField("drift_comparator") or feature.HasField("skew_comparator")):
            feature.ClearField("drift_comparator")
            feature.ClearField("skew_comparator")
            found.append(_new_feature(feature.name, baseline.version))
    return result, found


def check_comparators(schema: schema_pb2.Schema, dataset: statistics_pb2.DatasetFeatureStatistics) -> list[Finding]:
    """Returns a finding for each comparator that can never say no: TFDV's L-infinity distance between numbers is always 0."""
    numeric = {feature_name(feature) for feature in dataset.features if feature.WhichOneof("stats") == "num_stats"}
    return [
        _blind_comparator(feature.name)
        for feature in schema.feature
        if feature.name in numeric
        and any(item.HasField("infinity_norm") for item in (feature.drift_comparator, feature.skew_comparator))
    ]


def has_skew_comparator(schema: schema_pb2.Schema) -> bool:
    """Returns whether the schema asks for skew anywhere."""
    return any(feature.HasField("skew_comparator") for feature in schema.feature)


def drift_rows(anomalies: anomalies_pb2.Anomalies) -> list[DriftRow]:
    """Returns every distance that TFDV measured, by feature."""
    return [
        DriftRow(
            feature=feature_name(info),
            kind=kind,
            measure=_MEASURES.get(item.Type.Name(item.type), "distance"),
            value=item.value if math.isfinite(item.value) else None,
            bound=item.threshold,
        )
        for info in sorted(anomalies.drift_skew_info, key=feature_name)
        for kind, items in (("drift", info.drift_measurements), ("skew", info.skew_measurements))
        for item in items
    ]


def check_measured(schema: schema_pb2.Schema, anomalies: anomalies_pb2.Anomalies) -> list[Finding]:
    """Returns a finding for each comparison that the schema asks for and that gave no number.

    TFDV passes over those in silence: NaN is not above a threshold. A feature with an anomaly of its own is left out.
    """
    measured = {(row.feature, row.kind) for row in drift_rows(anomalies) if row.value is not None}
    reported = {feature_name(info) for info in anomalies.anomaly_info.values()}
    return [
        Finding(
            split=TRAIN,
            feature=feature.name,
            headline=f"No {kind} could be measured",
            detail=f"The schema has a {kind}_comparator, but the distance to the live version could not be computed.",
            remedy="Give the comparator a threshold, and look at this feature's values and type in both statistics.",
        )
        for feature in schema.feature
        for kind in ("drift", "skew")
        if feature.HasField(f"{kind}_comparator")
        and _is_validated(feature)
        and feature.name not in reported
        and (feature.name, kind) not in measured
    ]


def _is_validated(feature: schema_pb2.Feature) -> bool:
    stages = (schema_pb2.UNKNOWN_STAGE, schema_pb2.BETA, schema_pb2.PRODUCTION)
    return TRAINING not in feature.not_in_environment and not feature.deprecated and feature.lifecycle_stage in stages


def _read_training_statistics(release: Path) -> statistics_pb2.DatasetFeatureStatisticsList | None:
    try:
        statistics = read_statistics(release / RELEASE_STATISTICS_DIR, TRAIN)
    except UserError:
        return None
    return statistics if statistics.datasets[0].num_examples else None


def _schema_features(path: Path) -> frozenset[str]:
    try:
        return frozenset(feature.name for feature in read_schema(path).feature)
    except UserError:
        return frozenset()  # unknown: then no comparator rests, which is the strict side


def _unreadable(detail: str) -> Finding:
    return Finding(
        headline="The live version's statistics cannot be read",
        detail=f"{detail} Without them nobody can tell whether the data has drifted.",
        remedy="Roll back to a version that has its statistics, or switch the data gate off with a reason in project.yaml.",
    )


def _new_feature(feature: str, version: str) -> Finding:
    return Finding(
        split=TRAIN,
        feature=feature,
        headline="New feature, not compared",
        detail=f"Version {version}, which is live, does not have it; its comparators rest until a version with it is live.",
        remedy="Nothing to do.",
        severity=Severity.WARNING,
    )


def _blind_comparator(feature: str) -> Finding:
    return Finding(
        feature=feature,
        headline="A comparator that can never say no",
        detail="TFDV's infinity_norm compares categories; between numbers it is always 0.",
        remedy=f"Use jensen_shannon_divergence for {feature!r} in schema.pbtxt.",
    )

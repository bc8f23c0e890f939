"""Findings: everything that is wrong with the data, in words a reader can act on."""

import dataclasses
import enum

from tensorflow_metadata.proto.v0 import anomalies_pb2

from components._data.statistics import feature_name
from components._shared.artifacts import ANOMALIES_FILE

_Info = anomalies_pb2.AnomalyInfo
_LONGEST_DETAIL = 600
_KINDS = {value: name for name, value in _Info.Type.items()}


class Severity(enum.StrEnum):
    """Whether a finding fails the data gate."""

    ERROR = "error"
    WARNING = "warning"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    Attributes:
        split: The split it was found in; empty when it is about all of them or about the baseline.
        feature: The feature it is about; empty when it is about whole rows.
        column: What the data calls this feature, if it is something else.
        headline: What is wrong, in a few words.
        detail: What was expected and what was found.
        remedy: What the reader can do.
        severity: Whether it fails the gate.
    """

    split: str = ""
    feature: str = ""
    column: str = ""
    headline: str
    detail: str
    remedy: str
    severity: Severity = Severity.ERROR

    def sentence(self) -> str:
        """Returns the finding as one line: where, what, and the detail."""
        column = f" (column {self.column!r})" if self.column else ""
        where = [f"feature {self.feature!r}{column}"] if self.feature else []
        where += [f"split '{self.split}'"] if self.split else []
        prefix = f"{', '.join(where)}: " if where else ""
        return f"{prefix}{self.headline}. {self.detail}"


_OTHER = "If the data is right, say so in schema.pbtxt; if it is wrong, mend the source."
_REMEDIES = {
    "SCHEMA_MISSING_COLUMN": "Bring the column {feature!r} back into the source. If it is gone for good, take it out of "
    "schema.pbtxt and features.py.",
    "SCHEMA_NEW_COLUMN": "Add the column {feature!r} to schema.pbtxt, or leave it out of the source.",
    "FEATURE_TYPE_NOT_PRESENT": "Find out why {feature!r} has no values in the source. If that is right, lower its presence in "
    "schema.pbtxt.",
    "FEATURE_TYPE_LOW_FRACTION_PRESENT": "Find out why so many values of {feature!r} are missing in the source. If that is "
    "right, lower presence.min_fraction in schema.pbtxt.",
    "FEATURE_TYPE_LOW_NUMBER_PRESENT": "Find out why so many values of {feature!r} are missing in the source. If that is "
    "right, lower presence.min_count in schema.pbtxt.",
    "INVALID_FEATURE_SHAPE": "Every row must hold exactly one value of {feature!r}. If missing values are right, replace "
    "`shape {{}}` by `value_count {{ min: 1 max: 1 }}` and lower presence.min_fraction in schema.pbtxt.",
    "UNEXPECTED_DATA_TYPE": "Give {feature!r} the type that schema.pbtxt states, or correct `type` there.",
    "ENUM_TYPE_UNEXPECTED_STRING_VALUES": "If the new values of {feature!r} are right, add them to its string_domain in "
    "schema.pbtxt or lower distribution_constraints.min_domain_mass; if not, mend the source.",
    "INT_TYPE_BIG_INT": "If the values of {feature!r} are right, raise int_domain.max in schema.pbtxt; if not, mend the "
    "source.",
    "INT_TYPE_SMALL_INT": "If the values of {feature!r} are right, lower int_domain.min in schema.pbtxt; if not, mend the "
    "source.",
    "FLOAT_TYPE_BIG_FLOAT": "If the values of {feature!r} are right, raise float_domain.max in schema.pbtxt; if not, mend the "
    "source.",
    "FLOAT_TYPE_SMALL_FLOAT": "If the values of {feature!r} are right, lower float_domain.min in schema.pbtxt; if not, mend "
    "the source.",
    "FLOAT_TYPE_HAS_NAN": "Make missing values of {feature!r} empty cells, or list how they are written in `null_values` of "
    "the source.",
    "COMPARATOR_L_INFTY_HIGH": "Look at the distribution of {feature!r} in the statistics. If the world has changed, raise the "
    "threshold of its comparator in schema.pbtxt for this release; if not, mend the source.",
    "COMPARATOR_CONTROL_DATA_MISSING": "The live version knew no values of {feature!r}, so nothing can be compared. Take its "
    "comparator out of schema.pbtxt until a version with this feature is live.",
    "COMPARATOR_TREATMENT_DATA_MISSING": "Bring the values of {feature!r} back into the source.",
}
_REMEDIES["COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH"] = _REMEDIES["COMPARATOR_L_INFTY_HIGH"]
_REMEDIES["COMPARATOR_NORMALIZED_ABSOLUTE_DIFFERENCE_HIGH"] = _REMEDIES["COMPARATOR_L_INFTY_HIGH"]

_DRIFTED = "Too far from the live version's distribution"
_HEADLINES = {
    # TFDV's own words where they are plain; these are not, or say "Column dropped" of a column that only has gaps.
    "FEATURE_TYPE_LOW_FRACTION_PRESENT": "Too many missing values",
    "FEATURE_TYPE_LOW_NUMBER_PRESENT": "Too many missing values",
    "INVALID_FEATURE_SHAPE": "Not exactly one value in every row",
    "COMPARATOR_L_INFTY_HIGH": _DRIFTED,
    "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH": _DRIFTED,
    "COMPARATOR_NORMALIZED_ABSOLUTE_DIFFERENCE_HIGH": _DRIFTED,
    "COMPARATOR_CONTROL_DATA_MISSING": "No values in the live version's data to compare with",
    "COMPARATOR_TREATMENT_DATA_MISSING": "No values to compare with the live version's",
}


def findings_in(anomalies: anomalies_pb2.Anomalies, split: str) -> list[Finding]:
    """Returns TFDV's anomalies of one split as findings, one per reason, in the order of the features."""
    found = []
    if anomalies.data_missing:
        found.append(
            Finding(
                split=split,
                headline="No rows",
                detail="The split is empty, so nothing in it can be validated.",
                remedy="Read more data, or give the split a larger share in project.yaml.",
            )
        )
    if anomalies.HasField("dataset_anomaly_info"):
        found += _findings_of(anomalies.dataset_anomaly_info, split, "")
    for _, info in sorted(anomalies.anomaly_info.items()):
        found += _findings_of(info, split, feature_name(info))
    return found


def _findings_of(info: anomalies_pb2.AnomalyInfo, split: str, feature: str) -> list[Finding]:
    # A severity that this version does not know counts as an error: a gate fails closed.
    severity = Severity.WARNING if info.severity == _Info.WARNING else Severity.ERROR
    reasons = info.reason or [_Info.Reason(short_description=info.short_description, description=info.description)]
    return [_finding(reason, split, feature, severity) for reason in reasons]


def _finding(reason: anomalies_pb2.AnomalyInfo.Reason, split: str, feature: str, severity: Severity) -> Finding:
    kind = _KINDS.get(reason.type, "")
    return Finding(
        split=split,
        feature=feature,
        headline=_HEADLINES.get(kind, reason.short_description.rstrip(". ")),
        detail=_sentence(reason.description),
        remedy=_REMEDIES.get(kind, _OTHER).format(feature=feature),
        severity=severity,
    )


def _sentence(text: str) -> str:
    # TFDV lists every unexpected value of the data, however many there are and whatever is in them.
    line = " ".join(text.split())
    if len(line) > _LONGEST_DETAIL:
        return f"{line[:_LONGEST_DETAIL]}… (in full in {ANOMALIES_FILE})"
    return line if line.endswith((".", "!", "?")) else f"{line}."

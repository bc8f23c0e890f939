"""Checks that TFDV does not make: row counts, the label, and numbers that are none."""

import math
from collections.abc import Iterator

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components._data.statistics import common_statistics, feature_name
from components._shared.label import LabelKind, LabelSpec
from components.validate_examples.findings import Finding


def check_rows(split: str, rows: int, *, least: int, in_manifest: int) -> Iterator[Finding]:
    """Yields a finding when a split has too few rows, or when the statistics are not those of these examples."""
    if rows != in_manifest:
        yield Finding(
            split=split,
            headline="Statistics of other examples",
            detail=f"The statistics count {rows:,} rows, the manifest of the examples {in_manifest:,}.",
            remedy="Run generate_statistics again on these examples.",
        )
    if rows < least:
        yield Finding(
            split=split,
            headline="Too few rows",
            detail=f"The split has {rows:,} rows; gates.data.min_rows asks for at least {least:,}.",
            remedy="Read more spans, or lower gates.data.min_rows in project.yaml.",
        )


def check_label(split: str, dataset: statistics_pb2.DatasetFeatureStatistics, label: LabelSpec) -> Iterator[Finding]:
    """Yields findings when the label is absent, missing in some rows, not what its kind allows, or the same in all rows."""
    name = label.name
    feature = next((item for item in dataset.features if feature_name(item) == name), None)
    if feature is None:
        yield Finding(
            split=split,
            feature=name,
            headline="No label",
            detail=f"The examples have no column {name!r}, which is the label.",
            remedy="Bring the label back into the source, or correct `label` of the source in project.yaml.",
        )
        return
    present = common_statistics(feature).num_non_missing
    if present < dataset.num_examples:
        yield Finding(
            split=split,
            feature=name,
            headline="Rows without a label",
            detail=f"{dataset.num_examples - present:,} of {dataset.num_examples:,} rows have no label.",
            remedy="Leave these rows out of the source, or find out why their label is missing.",
        )
    yield from _check_range(split, feature, label)
    if present and _is_constant(feature):
        varied = "in which the label varies" if label.kind is LabelKind.NUMERIC else "that holds every class"
        yield Finding(
            split=split,
            feature=name,
            headline="Label with one value only",
            detail=f"All {present:,} labels are the same, so nothing can be learned from them or measured on them.",
            remedy=f"Read data {varied}, or choose a split key that spreads its values over the splits.",
        )


def _check_range(split: str, feature: statistics_pb2.FeatureNameStatistics, label: LabelSpec) -> Iterator[Finding]:
    """Yields a finding when a class has a number that there is not; NaN and infinity are the business of `check_numbers`."""
    largest = max(len(label.classes), 2) - 1
    if label.kind is LabelKind.NUMERIC or feature.WhichOneof("stats") != "num_stats":
        return
    stats = feature.num_stats
    if stats.min < 0 or stats.max > largest:
        yield Finding(
            split=split,
            feature=label.name,
            headline="Label that is no class",
            detail=f"The labels are from {stats.min:g} to {stats.max:g}; a {label.kind.value} label is from 0 to {largest}.",
            remedy="Say under source.label in project.yaml what it is: `above`, `positive`, `classes` or `kind: numeric`.",
        )


def check_numbers(
    split: str, dataset: statistics_pb2.DatasetFeatureStatistics, schema: schema_pb2.Schema, label: str
) -> Iterator[Finding]:
    """Yields a finding for each feature with NaN or infinite values, unless the schema allows or itself forbids them.

    One such value makes the loss of a whole batch NaN. The schema allows them by saying so: `float_domain { disallow_nan:
    false }` or `float_domain { disallow_inf: false }`, but never in the label. Where it forbids them, TFDV reports them.
    """
    domains = {feature.name: feature.float_domain for feature in schema.feature if feature.HasField("float_domain")}
    for feature in dataset.features:
        if feature.WhichOneof("stats") != "num_stats":
            continue
        name, stats = feature_name(feature), feature.num_stats
        domain = domains.get(name, schema_pb2.FloatDomain())
        nan = max((int(histogram.num_nan) for histogram in stats.histograms), default=0)
        if nan and (name == label or not domain.HasField("disallow_nan")):
            yield _not_a_number(split, name, f"{nan:,} values are NaN", "disallow_nan")
        infinite = math.isinf(stats.min) or math.isinf(stats.max)
        if infinite and (name == label or not domain.HasField("disallow_inf")):
            yield _not_a_number(split, name, "Some values are infinite", "disallow_inf")


def _not_a_number(split: str, feature: str, what: str, setting: str) -> Finding:
    return Finding(
        split=split,
        feature=feature,
        headline="Values that are no finite numbers",
        detail=f"{what}; one of them is enough to spoil the loss of a whole batch.",
        remedy=f"Make missing values of {feature!r} empty cells or list them in `null_values` of the source. If features.py "
        f"deals with them, allow them in schema.pbtxt: float_domain {{ {setting}: false }}.",
    )


def _is_constant(feature: statistics_pb2.FeatureNameStatistics) -> bool:
    if feature.WhichOneof("stats") == "num_stats":
        return feature.num_stats.min == feature.num_stats.max
    return feature.string_stats.unique <= 1

"""Checks that TFDV does not make: row counts, the label, and numbers that are none."""

import math
from collections.abc import Iterator

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components._data.statistics import common_statistics, feature_name
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


def check_label(split: str, dataset: statistics_pb2.DatasetFeatureStatistics, label: str) -> Iterator[Finding]:
    """Yields findings when the label is absent, missing in some rows, or the same in all of them."""
    feature = next((item for item in dataset.features if feature_name(item) == label), None)
    if feature is None:
        yield Finding(
            split=split,
            feature=label,
            headline="No label",
            detail=f"The examples have no column {label!r}, which is the label.",
            remedy="Bring the label back into the source, or correct `label` of the source in project.yaml.",
        )
        return
    present = common_statistics(feature).num_non_missing
    if present < dataset.num_examples:
        yield Finding(
            split=split,
            feature=label,
            headline="Rows without a label",
            detail=f"{dataset.num_examples - present:,} of {dataset.num_examples:,} rows have no label.",
            remedy="Leave these rows out of the source, or find out why their label is missing.",
        )
    if present and _is_constant(feature):
        yield Finding(
            split=split,
            feature=label,
            headline="Label with one value only",
            detail=f"All {present:,} labels are the same, so nothing can be learned from them or measured on them.",
            remedy="Read data that holds every class, or choose a split key that spreads the classes over the splits.",
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

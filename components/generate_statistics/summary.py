"""Turns TFDV's statistics into what the page shows: plain numbers, shares and the outline of histograms."""

import dataclasses
import math

from tensorflow_metadata.proto.v0 import statistics_pb2

from components._data.statistics import common_statistics, feature_name

MAX_FEATURES = 100
"""Features shown per split; the protos hold all of them, and a page with all would not open quickly."""

TOP_VALUES = 5
_LONGEST_VALUE = 40
_WIDTH, _HEIGHT = 120, 28


@dataclasses.dataclass(frozen=True, kw_only=True)
class NumericFeature:
    """One row of the table of numbers; None where there is nothing finite to show.

    Attributes:
        name: The feature.
        kind: INT or FLOAT.
        count: Rows that hold a value.
        missing: Share of rows without a value, in [0, 1].
        nan: Number of NaN values.
        mean: Mean over the values that are numbers.
        std: Standard deviation.
        minimum: Least value.
        median: Median, approximate.
        maximum: Greatest value.
        zeros: Share of zeros among the values, in [0, 1].
        outline: SVG path of the histogram; empty when there is none.
    """

    name: str
    kind: str
    count: int
    missing: float
    nan: int
    mean: float | None
    std: float | None
    minimum: float | None
    median: float | None
    maximum: float | None
    zeros: float
    outline: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class CategoricalFeature:
    """One row of the table of categories.

    Attributes:
        name: The feature.
        kind: STRING, BYTES, or INT for a categorical integer.
        count: Rows that hold a value.
        missing: Share of rows without a value, in [0, 1].
        unique: Number of distinct values, approximate above 16,384.
        top: Most frequent values with their share of the rows that hold a value, in [0, 1].
    """

    name: str
    kind: str
    count: int
    missing: float
    unique: int
    top: tuple[tuple[str, float], ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitSummary:
    """What the page says of one split.

    Attributes:
        name: The split.
        rows: Number of rows.
        names: All features of the split.
        numeric: Shown features with numbers.
        categorical: Shown features with categories.
        hidden: Number of features left out because there are more than MAX_FEATURES.
    """

    name: str
    rows: int
    names: tuple[str, ...]
    numeric: tuple[NumericFeature, ...]
    categorical: tuple[CategoricalFeature, ...]
    hidden: int


def summarize_split(dataset: statistics_pb2.DatasetFeatureStatistics) -> SplitSummary:
    """Returns the page's view of the statistics of one split."""
    features = sorted(dataset.features, key=feature_name)
    shown = features[:MAX_FEATURES]
    rows = dataset.num_examples
    return SplitSummary(
        name=dataset.name,
        rows=rows,
        names=tuple(feature_name(feature) for feature in features),
        numeric=tuple(_numeric(feature, rows) for feature in shown if feature.WhichOneof("stats") == "num_stats"),
        categorical=tuple(_categorical(feature, rows) for feature in shown if feature.WhichOneof("stats") != "num_stats"),
        hidden=len(features) - len(shown),
    )


def histogram_outline(histogram: statistics_pb2.Histogram) -> str:
    """Returns an SVG path of bars of equal width, the highest as high as the box of 120 × 28; empty without counts."""
    counts = [bucket.sample_count for bucket in histogram.buckets]
    highest = max(counts, default=0)
    if not highest or not math.isfinite(highest):
        return ""
    step = _WIDTH / len(counts)
    tops = ((index * step, _HEIGHT * (1 - count / highest)) for index, count in enumerate(counts))
    return "".join(f"M{x:.1f} {_HEIGHT}V{y:.1f}h{step - 1:.1f}V{_HEIGHT}z" for x, y in tops)


def _numeric(feature: statistics_pb2.FeatureNameStatistics, rows: int) -> NumericFeature:
    stats, common = feature.num_stats, feature.num_stats.common_stats
    standard = next((item for item in stats.histograms if item.type == statistics_pb2.Histogram.STANDARD), None)
    numbers = (stats.mean, stats.std_dev, stats.min, stats.median, stats.max)
    mean, std, minimum, median, maximum = (_finite(number) if common.num_non_missing else None for number in numbers)
    return NumericFeature(
        name=feature_name(feature),
        kind=statistics_pb2.FeatureNameStatistics.Type.Name(feature.type),
        count=common.num_non_missing,
        missing=_share(rows - common.num_non_missing, rows),
        nan=int(standard.num_nan) if standard else 0,
        mean=mean,
        std=std,
        minimum=minimum,
        median=median,
        maximum=maximum,
        zeros=_share(stats.num_zeros, common.tot_num_values),
        outline=histogram_outline(standard) if standard else "",
    )


def _categorical(feature: statistics_pb2.FeatureNameStatistics, rows: int) -> CategoricalFeature:
    stats, common = feature.string_stats, common_statistics(feature)
    top = tuple((_shorten(item.value), _share(item.frequency, common.tot_num_values)) for item in stats.top_values[:TOP_VALUES])
    return CategoricalFeature(
        name=feature_name(feature),
        kind=statistics_pb2.FeatureNameStatistics.Type.Name(feature.type),
        count=common.num_non_missing,
        missing=_share(rows - common.num_non_missing, rows),
        unique=stats.unique,
        top=top,
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _shorten(value: str) -> str:
    return value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}…"

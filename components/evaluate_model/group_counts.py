"""Counts decisions by group of each protected attribute, with TFMA.

This is a run of its own beside that of the user's configuration: small, over all rows and never on a sample, and the same for
every kind of label. TFMA's files lie in the evaluation's folder like those of the other run.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tensorflow_model_analysis.api import model_eval_lib
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.slicer import slicer_lib
from tensorflow_model_analysis.utils import config_util

from components._shared.attributes import split_attribute
from components._shared.label import LabelSpec
from components._shared.policy import FairnessGate
from components.evaluate_model.outcomes import Decision, Outcomes, favour, why_undecided
from components.evaluate_model.results import name_slice
from components.evaluate_model.shares import Shares
from components.evaluate_model.tfma_run import run_tfma

FAIRNESS_DIR = "fairness"
"""Folder of TFMA's files beside those of the evaluation."""
MAX_GROUPS = 500
"""An attribute with more values than this is an identifier or a quantity, and its groups mean nothing."""
SELECTION_RATE, TRUE_POSITIVE_RATE, FALSE_POSITIVE_RATE = "selection rate", "true positive rate", "false positive rate"
RATES = (SELECTION_RATE, TRUE_POSITIVE_RATE, FALSE_POSITIVE_RATE)

_LABEL, _SCORE = "__favourable_label__", "__favourable_score__"
_KINDS = ("true_positives", "false_positives", "true_negatives", "false_negatives")


@dataclasses.dataclass(frozen=True)
class Groups:
    """The groups of one protected attribute under one decision.

    Attributes:
        attribute: The attribute as the policy names it, such as "sex*race".
        decision: What counts as favourable, such as "predictions above 0.3".
        names: The groups, such as "race=Black, sex=Female".
        tp: Favourable labels that were decided favourably, int64 of shape [groups].
        fp: Unfavourable labels that were decided favourably.
        tn: Unfavourable labels that were not.
        fn: Favourable labels that were not.
    """

    attribute: str
    decision: str
    names: tuple[str, ...]
    tp: np.ndarray
    fp: np.ndarray
    tn: np.ndarray
    fn: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        """Rows of each group, int64 of shape [groups]."""
        return self.tp + self.fp + self.tn + self.fn

    def rate(self, name: str) -> Shares:
        """Returns one of RATES, with the counts behind it.

        The selection rate is over all rows of a group, the true positive rate over its rows with a favourable label, the false
        positive rate over its other rows.
        """
        if name == SELECTION_RATE:
            return Shares(self.tp + self.fp, self.rows)
        return Shares(self.tp, self.tp + self.fn) if name == TRUE_POSITIVE_RATE else Shares(self.fp, self.fp + self.tn)

    @property
    def precision(self) -> np.ndarray:
        """Share of the favourable decisions whose label is favourable, float64 of shape [groups]; NaN without any."""
        return Shares(self.tp, self.tp + self.fp).values

    @property
    def accuracy(self) -> np.ndarray:
        """Share of the decisions that agree with the label, float64 of shape [groups]."""
        return Shares(self.tp + self.tn, self.rows).values


@dataclasses.dataclass(frozen=True, kw_only=True)
class Counted:
    """What the gate looks at.

    Attributes:
        groups: The groups of every attribute under every decision.
        unsuited: Why a protected attribute cannot be judged, by attribute.
        missing: Rows without a value, by protected attribute; they are in no group.
        problem: Why nothing could be counted, as a sentence; empty when it could.
        note: What a reader has to know about the counts, as a sentence.
    """

    groups: Sequence[Groups] = ()
    unsuited: Mapping[str, str] = dataclasses.field(default_factory=dict)
    missing: Mapping[str, int] = dataclasses.field(default_factory=dict)
    problem: str = ""
    note: str = ""


def count_decisions(
    table: pa.Table, labels: np.ndarray, predictions: np.ndarray, label: LabelSpec, policy: FairnessGate, folder: str | Path
) -> Counted:
    """Returns the groups of every protected attribute under every decision.

    Args:
        table: The rows, with the features of the attributes.
        labels: Of shape [rows]: 0 or 1, the position of the class, or a number.
        predictions: float32 of shape [rows], or [rows, classes] for a multiclass label; valid for its kind.
        label: What kind of label it is.
        policy: The protected attributes, and how is decided.
        folder: Where the evaluation goes; TFMA's files stand in its folder FAIRNESS_DIR.
    """
    if not policy.protected:
        return Counted()
    if problem := why_undecided(label, policy):
        return Counted(problem=problem)
    unsuited = unsuited_attributes(policy, table, label.name)
    suited = [attribute for attribute in policy.protected if attribute not in unsuited]
    groups, note = count_groups(table, favour(labels, predictions, label, policy), suited, folder)
    missing = {attribute: count_missing(attribute, table) for attribute in suited}
    return Counted(groups=groups, unsuited=unsuited, missing=missing, note=note)


def unsuited_attributes(policy: FairnessGate, table: pa.Table, label: str) -> dict[str, str]:
    """Returns why a protected attribute cannot be judged on these rows, by attribute."""
    reasons = {}
    for attribute in policy.protected:
        features = split_attribute(attribute)
        if missing := [name for name in features if name not in table.column_names]:
            which = f" {', '.join(missing)}" if len(features) > 1 else ""
            reasons[attribute] = f"the examples have no such column{which}"
        elif label in features:
            reasons[attribute] = (
                f"{'it' if len(features) == 1 else label} is the label, and each of its values has one rate only"
            )
        elif table.select(list(features)).group_by(list(features)).aggregate([]).num_rows > MAX_GROUPS:
            reasons[attribute] = f"more than {MAX_GROUPS} values are no groups; put them into buckets first"
    return reasons


def count_missing(attribute: str, table: pa.Table) -> int:
    """Returns how many rows lack a value of a protected attribute; they are in no group."""
    return table.num_rows - table.select(list(split_attribute(attribute))).drop_null().num_rows


def count_groups(
    table: pa.Table, outcomes: Sequence[Outcomes], attributes: Sequence[str], folder: str | Path
) -> tuple[list[Groups], str]:
    """Returns the groups of every attribute under every decision, and how TFMA ran where that was not the usual way.

    Args:
        table: The rows, with the features of the attributes.
        outcomes: Labels, scores and decisions over these rows.
        attributes: The protected attributes that can be judged.
        folder: Where the evaluation goes.
    """
    found: list[Groups] = []
    note = ""
    for number, item in enumerate(outcomes if attributes else ()):
        features = sorted({name for attribute in attributes for name in split_attribute(attribute)})
        columns = {name: table[name] for name in features} | {_LABEL: pa.array(item.labels), _SCORE: pa.array(item.scores)}
        target = Path(folder) / FAIRNESS_DIR / (f"decision-{number}" if len(outcomes) > 1 else "")
        note = run_tfma(pa.table(columns), make_config(item.decisions, attributes), target).note
        counts = dict(_read_counts(target, item.decisions))
        found += [_groups(attribute, decision, counts) for decision in item.decisions for attribute in attributes]
    return sorted(found, key=lambda groups: attributes.index(groups.attribute)), note


def make_config(decisions: Sequence[Decision], attributes: Sequence[str]) -> config_pb2.EvalConfig:
    """Returns TFMA's configuration: confusion counts at each decision's threshold, in each group of each attribute."""
    config = config_pb2.EvalConfig()
    config.model_specs.add(label_key=_LABEL, prediction_key=_SCORE)
    for features in dict.fromkeys(tuple(sorted(split_attribute(attribute))) for attribute in attributes):
        config.slicing_specs.add(feature_keys=features)
    settings = json.dumps({"thresholds": [decision.threshold for decision in decisions]})
    counts = config.metrics_specs.add()
    counts.metrics.add(class_name="ConfusionMatrixAtThresholds", config=settings)
    counts.example_weights.unweighted = True
    prepared = config_util.update_eval_config_with_defaults(config, has_baseline=False, rubber_stamp=True)
    for model in prepared.model_specs:
        model.prediction_key = _SCORE
    return prepared


def _read_counts(folder: Path, decisions: Sequence[Decision]) -> Iterator[tuple[Any, Mapping[Decision, list[int]]]]:
    """Yields each slice key with the counts of every decision, in the order of _KINDS."""
    for proto in model_eval_lib.load_metrics(str(folder)):
        for item in proto.metric_keys_and_values:
            if item.value.HasField("confusion_matrix_at_thresholds"):
                matrices = sorted(item.value.confusion_matrix_at_thresholds.matrices, key=lambda matrix: matrix.threshold)
                counts = [[round(getattr(matrix, kind)) for kind in _KINDS] for matrix in matrices]
                yield slicer_lib.deserialize_slice_key(proto.slice_key), dict(zip(decisions, counts, strict=True))


def _groups(attribute: str, decision: Decision, counts: Mapping[Any, Mapping[Decision, list[int]]]) -> Groups:
    features = sorted(split_attribute(attribute))
    chosen = {name_slice(key): found[decision] for key, found in counts.items() if [item[0] for item in key] == features}
    names = sorted(chosen)
    columns = np.array([chosen[name] for name in names], dtype=np.int64).reshape(len(names), len(_KINDS)).T
    return Groups(attribute, decision.name, tuple(names), *columns)

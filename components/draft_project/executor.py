"""Writes the files of a project from its draft and the train and eval rows of its examples."""

import shutil
from pathlib import Path
from typing import Any

from components._data.examples import read_manifest, read_split
from components._shared.artifacts import (
    DRAFT_FILE,
    DRAFT_NOTES_FILE,
    EVAL,
    FEATURES_FILE,
    MODEL_FILE,
    PROJECT_FILE,
    SCHEMA_FILE,
    SPLITS,
    TRAIN,
)
from components._shared.documents import read_object
from components._shared.label import LabelKind
from components._shared.outputs import write_json, write_text
from components.draft_project import bounds
from components.draft_project.baseline import Feature, Quick, fit_quick_models
from components.draft_project.writing import render

_LOSSES = {LabelKind.BINARY: "binary_crossentropy", LabelKind.MULTICLASS: "sparse_categorical_crossentropy"}
_LOSSES |= {LabelKind.NUMERIC: "mean_squared_error"}
_KERAS_METRICS = {LabelKind.BINARY: 'keras.metrics.AUC(name="auc")', LabelKind.MULTICLASS: '"accuracy"'}
_KERAS_METRICS |= {LabelKind.NUMERIC: '"mean_absolute_error"'}
_GIVES = {LabelKind.BINARY: "the probability of the label 1", LabelKind.MULTICLASS: "a probability per class"}
_GIVES |= {LabelKind.NUMERIC: "the number in the label's unit"}
_OTHER_METRICS = {
    LabelKind.BINARY: ("AUCPrecisionRecall", "BinaryCrossentropy", "MeanLabel", "MeanPrediction", "Calibration"),
    LabelKind.MULTICLASS: ("SparseCategoricalCrossentropy",),
    LabelKind.NUMERIC: ("RootMeanSquaredError", "MeanLabel", "MeanPrediction"),
}
_LABEL_KEYS = ("name", "column", "kind", "above", "positive", "classes")
_MOST_SLICES, _MOST_GROUPS = 3, 10
_WIDE = 40
_FEW_POSITIVE = 5


def draft_project(*, draft: str, examples: str, name: str, pattern: str, project: str) -> None:
    """Writes project.yaml, schema.pbtxt, features.py and model.py, and notes for who reads along into the draft's folder.

    Args:
        draft: Folder with what draft_schema wrote.
        examples: Folder of the examples; of the test split only the number of rows is read.
        name: Name of the project.
        pattern: Where the data is, as project.yaml says it.
        project: Folder to write to.
    """
    document = read_object(Path(draft) / DRAFT_FILE)
    kind, columns = LabelKind(document["label_kind"]), document["columns"]
    label = document["source"]["label"]["name"]
    rows = {split: read_manifest(examples)["splits"][split]["rows"] for split in SPLITS}
    features = [
        Feature(name=item["name"], is_number=item["role"] == "number")
        for item in columns
        if item["role"] in ("number", "category")
    ]
    wanted = [*(feature.name for feature in features), label]
    train, evaluation = (read_split(examples, split, wanted) for split in (TRAIN, EVAL))
    quick = fit_quick_models(train, evaluation, features, label, kind)
    bound = bounds.choose_bound(quick, kind)
    settings = _settings(document, quick, kind, rows) | {"name": name, "pattern": pattern, "bound": bound}
    folder = Path(project)
    write_text(folder / PROJECT_FILE, render("project.yaml.j2", **settings))
    write_text(folder / FEATURES_FILE, render("features.py.j2", **_features(columns, label)))
    write_text(folder / MODEL_FILE, render("model.py.j2", **_model(document, kind)))
    shutil.copyfile(Path(draft) / SCHEMA_FILE, folder / SCHEMA_FILE)
    write_json(Path(draft) / DRAFT_NOTES_FILE, {"rows": rows, "bound": bound.value, "notes": _notes(quick, bound, kind, rows)})


def _settings(document: dict[str, Any], quick: Quick, kind: LabelKind, rows: dict[str, int]) -> dict[str, Any]:
    """Returns what the template of project.yaml takes, but for name, pattern and bound."""
    columns, source = document["columns"], document["source"]
    threshold, threshold_why = bounds.choose_threshold(quick) if kind is LabelKind.BINARY else (0.5, "")
    margin, margin_why = bounds.choose_margin(quick, kind)
    used = [item for item in columns if item["role"] in ("number", "category", "date", "free text")]
    return {
        "summary": f"Predicts {columns[0]['original']} from {len(used)} columns of {document['rows']:,} rows",
        "source": source,
        "label": source["label"]["name"],
        "label_settings": {key: source["label"][key] for key in _LABEL_KEYS if key in source["label"]},
        "label_why": columns[0]["why"],
        "kind": kind.value,
        "split_key": document["split_key"],
        "keys_why": document["why_keys"],
        "shares": document["shares"],
        "rows": rows,
        "training": bounds.choose_training(rows[TRAIN]),
        "bias": bounds.log_odds(quick.mean),
        "mean": quick.mean,
        "deviation": quick.deviation or 1.0,
        "slices": _slices(columns),
        "other_metrics": _OTHER_METRICS[kind],
        "min_slice_size": max(10, min(100, rows["test"] // 5)),
        "protected": [
            {"name": item["name"], "is_number": item["role"] != "category"} for item in columns if item["may_be_protected"]
        ],
        "threshold": threshold,
        "threshold_why": threshold_why,
        "margin": margin,
        "margin_why": margin_why,
        "calibration_rows": min(100, rows["test"] // 2),
        "max_p99_ms": 500 if len(used) > _WIDE else 250,
        "robustness_rows": 100 if len(used) > _WIDE else 500,
    }


def _slices(columns: list[dict[str, Any]]) -> list[str]:
    """Returns the categories to report on, those that may be protected first."""
    fit = [item for item in columns if item["role"] == "category" and item["distinct"] <= _MOST_GROUPS]
    return [item["name"] for item in sorted(fit, key=lambda item: not item["may_be_protected"])[:_MOST_SLICES]]


def _features(columns: list[dict[str, Any]], label: str) -> dict[str, Any]:
    named = {role: [item["name"] for item in columns if item["role"] == role] for role in ("number", "category", "free text")}
    dates = [item for item in columns if item["role"] == "date"]
    constants = {item["name"]: item["date"]["order"].replace(", ", "_").upper() for item in dates}
    return {
        "label": label,
        "numbers": named["number"],
        "categories": named["category"],
        "texts": named["free text"],
        "patterns": {constants[item["name"]]: item["date"]["pattern"] for item in dates},
        "dates": [
            {"name": item["name"], "constant": constants[item["name"]], "parts": item["date"]["parts"]} for item in dates
        ],
        "timed": [item["name"] for item in dates if item["date"]["has_time"]],
        # A flag that training never sees raised would be given a weight by chance.
        "flagged": [item["name"] for item in dates if item["missing"] or not item["date"]["all_read"]],
        "optional": [item["name"] for item in columns if item["role"] == "number" and item["missing"]],
    }


def _model(document: dict[str, Any], kind: LabelKind) -> dict[str, Any]:
    classes = len(document["source"]["label"].get("classes", ()))
    texts = {"loss": _LOSSES[kind], "metric": _KERAS_METRICS[kind], "gives": _GIVES[kind]}
    return {"kind": kind.value, "classes": classes, **texts}


def _notes(quick: Quick, bound: bounds.Bound, kind: LabelKind, rows: dict[str, int]) -> list[str]:
    """Returns what a reader should know of the bounds before the first run."""
    notes = [bound.why]
    if quick.linear > 0.98 and kind is not LabelKind.NUMERIC:
        notes.append(
            "That is nearly perfect: look for columns that are known only after the label, which together give it away."
        )
    if not bound.has_skill:
        notes.append("The columns may tell little of the label, or not in a linear way: expect the first run to say no.")
    if kind is LabelKind.BINARY and min(quick.mean, 1 - quick.mean) * rows["test"] < _FEW_POSITIVE:
        notes.append(
            "The rarer label will have fewer than five rows in the test split: gather more before you trust a verdict."
        )
    if rows["test"] < 200:
        notes.append(f"The test split has {rows['test']} rows: verdicts on so few are coarse.")
    return notes

"""The model card of a release: what it is, where it comes from and why it was let through, in Markdown.

It holds no date and no version number: both are in the ledger, and without them the same release has the same bytes.
"""

import json
from typing import Any

from components._shared.artifacts import BASELINE, CANDIDATE, SPLITS
from components._shared.gates import Status

_APPROVAL_NOTE = "The ledger of the serving directory says who approved it, when and why: `sluice releases PROJECT --json`."


def render_model_card(
    *, decision: dict[str, Any], manifest: dict[str, Any], training: dict[str, Any], evaluation: dict[str, Any]
) -> str:
    """Returns the card.

    Args:
        decision: `decision.json`.
        manifest: `manifest.json` of the examples.
        training: `training.json` of the model.
        evaluation: `evaluation.json`.
    """
    sections = [
        "# Model card",
        decision["reason"],
        _APPROVAL_NOTE if decision["status"] == Status.PENDING else "",
        _describe_model(decision, training),
        _describe_data(manifest),
        _describe_training(training),
        _describe_metrics(evaluation),
        _describe_gates(decision["gates"]),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _describe_model(decision: dict[str, Any], training: dict[str, Any]) -> str:
    baseline = decision["baseline_version"]
    rows = [
        ("Predicts", training.get("label")),
        ("Kind of label", training.get("label_kind")),
        *([("Classes", ", ".join(str(name) for name in training["label_classes"]))] if training.get("label_classes") else []),
        ("Outputs", ", ".join(str(name) for name in training.get("outputs") or [])),
        ("Model digest", decision["model_digest"]),
        ("Compared with", f"version {baseline}, live at the time" if baseline else "nothing: no version was live"),
        ("Policy", decision["policy_hash"]),
        ("Tightened for this run", ", ".join(_describe_override(item) for item in decision["overrides"]) or "nothing"),
    ]
    return _table(("Model", ""), rows)


def _describe_override(override: dict[str, Any]) -> str:
    before, after = (json.dumps(override.get(name), ensure_ascii=False) for name in ("from", "to"))
    return f"{override.get('key')} from {'nothing' if before == 'null' else before} to {after}"


def _describe_data(manifest: dict[str, Any]) -> str:
    splits = manifest.get("splits") or {}
    counts = manifest.get("rows") or {}
    rows = [
        ("Data version", manifest.get("data_version")),
        ("Spans", ", ".join(str(span) for span in manifest.get("spans") or [])),
        *((f"Rows in {split}", _number((splits.get(split) or {}).get("rows"))) for split in SPLITS),
        ("Rows left out", ", ".join(f"{_number(counts[k])} {v}" for k, v in _LEFT_OUT.items() if counts.get(k)) or "none"),
        ("Split by", ", ".join(str(name) for name in (manifest.get("split_rule") or {}).get("key") or [])),
    ]
    return "## Data\n\n" + _table(("", ""), rows)


_LEFT_OUT = {"without_label": "without a label", "duplicates": "that came twice"}


def _describe_training(training: dict[str, Any]) -> str:
    rows = [
        ("Epochs", _number(training.get("epochs_run"))),
        ("Best epoch", _number(training.get("best_epoch"))),
        ("Seed", str(training.get("seed"))),
        *((str(name), _number(value)) for name, value in sorted((training.get("hyperparameters") or {}).items())),
    ]
    return "## Training\n\n" + _table(("", ""), rows)


def _describe_metrics(evaluation: dict[str, Any]) -> str:
    metrics = evaluation.get("metrics") or {}
    candidate, baseline = metrics.get(CANDIDATE) or {}, metrics.get(BASELINE) or {}
    header = ("Metric", "This model", "Baseline") if baseline else ("Metric", "This model")
    rows = [(name, _number(value), _number(baseline.get(name)))[: len(header)] for name, value in sorted(candidate.items())]
    count = evaluation.get("rows")
    about = f"Over {_number(count)} rows of the {evaluation.get('split', 'test')} split." if count is not None else ""
    return "## Metrics\n\n" + (f"{about}\n\n" if about else "") + _table(header, rows)


def _describe_gates(gates: list[dict[str, Any]]) -> str:
    rows = [(gate.get("gate"), str(gate.get("verdict")).replace("_", " "), gate.get("reason")) for gate in gates]
    return "## Gates\n\n" + _table(("Gate", "Verdict", "Why"), rows)


def _table(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(_cell(value) for value in line)} |" for line in lines)


def _cell(value: Any) -> str:
    text = "–" if value in (None, "") else str(value)
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"

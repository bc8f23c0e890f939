"""The page of train_model after a run_fn: what is known of it. Its course is known to the module alone."""

from pathlib import Path
from typing import Any

from components._report.page import format_number, render_page

_TEMPLATE = Path(__file__).parent / "run_fn.html.j2"
_SHOWN = ("label", "label_kind", "label_classes", "seed", "hyperparameters", "features", "spans", "data_version")
_DIGESTS = ("model_digest", "model_hash")


def render(training: dict[str, Any], rows: dict[str, int]) -> str:
    """Returns the page.

    Args:
        training: What `training.json` holds.
        rows: Number of rows by split.
    """
    fn_args = training["fn_args"]
    facts = [
        *((f"{split} rows", format_number(count)) for split, count in rows.items()),
        ("train steps", format_number(fn_args["train_steps"])),
        ("eval steps", format_number(fn_args["eval_steps"])),
        ("seconds", format_number(training["seconds"])),
    ]
    asked = training["interface"]
    takes = ", ".join(asked["raw"]) or f"serialized tf.Example in {asked['examples_input']!r}"
    details = [
        ("serving_default takes", takes),
        ("prediction", asked["output"] + (" (logits)" if asked["logits"] else "")),
        ("transform_features", "exported" if asked["transform_input"] else "not exported"),
        ("custom config", _words(fn_args["custom_config"])),
        *((name.replace("_", " "), _words(training[name])) for name in (*_SHOWN, *_DIGESTS)),
    ]
    return render_page(_TEMPLATE, title="Training", facts=facts, details=details)


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} = {item}" for name, item in value.items()) or "–"
    return (", ".join(map(str, value)) if isinstance(value, list) else str(value)) or "–"

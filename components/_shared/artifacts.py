"""Names inside artifacts: the contract between the stage that writes a file and those that read it.

examples              Split-<split>/*.parquet, manifest.json
statistics            Split-<split>/FeatureStats.pb
schema                schema.pbtxt
anomalies             Split-<split>/SchemaDiff.pb, anomalies.txt, gates.json
transform_graph       TFT's own layout: transform_fn/, transformed_metadata/, metadata/; and transform.json
transformed_examples  Split-<split>/*.parquet
model                 Format-Serving/ (a SavedModel), training.json
baseline              baseline.json, and model/ (the pushed version, whole) when one is live
evaluation            TFMA's own layout, predictions.parquet, evaluation.json, gates.json
serving_report        serving_report.json, gates.json
decision              decision.json, and BLESSED or NOT_BLESSED
pushed                pushed.json
"""

TRAIN, EVAL, TEST = "train", "eval", "test"
SPLITS = (TRAIN, EVAL, TEST)

FEATURES_FILE, MODEL_FILE = "features.py", "model.py"
"""A project's code."""

MANIFEST_FILE = "manifest.json"
STATISTICS_FILE = "FeatureStats.pb"
SCHEMA_FILE = "schema.pbtxt"
ANOMALIES_FILE = "SchemaDiff.pb"
ANOMALIES_TEXT_FILE = "anomalies.txt"
GATES_FILE = "gates.json"

TRANSFORM_FILE = "transform.json"
"""Which code, schema and data the graph was fitted from."""

SERVING_MODEL_DIR = "Format-Serving"
TRAINING_FILE = "training.json"
ASSETS_EXTRA_DIR = "assets.extra"
WARMUP_FILE = "tf_serving_warmup_requests"
RELEASE_DIR = "sluice"
"""Folder in assets.extra where push_model puts what a release must carry; outside the model digest."""

BASELINE_FILE = "baseline.json"
BASELINE_MODEL_DIR = "model"

PREDICTIONS_FILE = "predictions.parquet"
EVALUATION_FILE = "evaluation.json"
SERVING_REPORT_FILE = "serving_report.json"

DECISION_FILE = "decision.json"
BLESSED_FILE = "BLESSED"
NOT_BLESSED_FILE = "NOT_BLESSED"

PUSHED_FILE = "pushed.json"

SIGNATURE_RAW = "serving_default"
"""Raw named tensors in, one per feature of the SERVING environment."""
SIGNATURE_EXAMPLES = "examples"
"""Serialized tf.Example protos in."""
SIGNATURE_TRANSFORM = "transform_features"
"""Serialized tf.Example protos in, transformed features out."""


def split_dir(split: str) -> str:
    """Returns the folder of one split inside an artifact, as TFX names it."""
    return f"Split-{split}"

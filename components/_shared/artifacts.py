"""Names inside artifacts: the contract between the stage that writes a file and those that read it.

examples              Split-<split>/*.parquet, manifest.json; split_keys.feather per split where rows share a key;
                      Split-<split>/data_tfrecord-*.gz and quarantine/bad_rows.jsonl where the project asks for them
statistics            Split-<split>/FeatureStats.pb, statistics.json
schema                schema.pbtxt
anomalies             Split-<split>/SchemaDiff.pb, anomalies.txt, input_changes.json, gates.json
transform_graph       TFT's own layout: transform_fn/, transformed_metadata/, metadata/; and transform.json
transformed_examples  Split-<split>/*.parquet
model                 Format-Serving/ (a SavedModel), training.json
baseline              baseline.json, and model/ (the pushed version, whole) when one is live
evaluation            TFMA's own layout, predictions.parquet, evaluation.json, details.html, gates.json
serving_report        serving_report.json, details.html, gates.json
decision              decision.json, and BLESSED or NOT_BLESSED
pushed                pushed.json

A pushed version is a SavedModel with assets.extra/sluice/: schema.pbtxt, manifest.json, training.json, evaluation.json,
decision.json, model_card.md, and statistics/ as the artifact; verification.json if a model server was to verify it.
"""

TRAIN, EVAL, TEST = "train", "eval", "test"
SPLITS = (TRAIN, EVAL, TEST)

PROJECT_FILE, FEATURES_FILE, MODEL_FILE = "project.yaml", "features.py", "model.py"
"""A project's configuration and its code."""

DRAFT_FILE = "draft.json"
"""What draft_schema decided about the columns of a new project, for draft_project."""
DRAFT_NOTES_FILE = "notes.json"
"""What draft_project has to say of the bounds."""

MANIFEST_FILE = "manifest.json"
STATISTICS_FILE = "FeatureStats.pb"
STATISTICS_ORIGIN_FILE = "statistics.json"
"""Which data the statistics were computed from; a TFDV proto has no room for it."""
SCHEMA_FILE = "schema.pbtxt"
ANOMALIES_FILE = "SchemaDiff.pb"
ANOMALIES_TEXT_FILE = "anomalies.txt"
INPUT_CHANGES_FILE = "input_changes.json"
"""How the input files differ from those that the live version was made of."""
GATES_FILE = "gates.json"

TRANSFORM_FILE = "transform.json"
"""Which code, schema and data the graph was fitted from."""

SHARD_FILE = "part-00000.parquet"
"""The one shard that a stage writes per split; readers take any number of them."""

QUARANTINE_FILE = "quarantine/bad_rows.jsonl"
"""The rows that were set aside, one JSON object each: file, line or row, column, value and rule."""

SPLIT_KEYS_FILE = "split_keys.feather"
"""Hashes of the rows' split keys, in the order of the rows."""

SERVING_MODEL_DIR = "Format-Serving"
SAVED_MODEL_FILE = "saved_model.pb"
"""TensorFlow's own name for the graph of a SavedModel."""
TRAINING_FILE = "training.json"
ASSETS_EXTRA_DIR = "assets.extra"
WARMUP_FILE = "tf_serving_warmup_requests"
RELEASE_DIR = "sluice"
"""Folder in assets.extra where push_model puts what a release must carry; outside the model digest."""
RELEASE_STATISTICS_DIR = "statistics"

VERIFICATION_FILE = "verification.json"
"""Rows with their predictions, for a model server to answer."""

BASELINE_FILE = "baseline.json"
BASELINE_MODEL_DIR = "model"

PREDICTIONS_FILE = "predictions.parquet"
EVALUATION_FILE = "evaluation.json"
CANDIDATE, BASELINE = "candidate", "baseline"
"""The models in predictions.parquet, and in the metrics of evaluation.json."""
SERVING_REPORT_FILE = "serving_report.json"

DETAILS_FILE = "details.html"
"""What a stage's page shows beyond verdicts, for the decision's page to show as well."""

DECISION_FILE = "decision.json"
DECISION_FORMAT = "sluice/decision/1"
BLESSED_FILE = "BLESSED"
NOT_BLESSED_FILE = "NOT_BLESSED"

PUSHED_FILE = "pushed.json"

ROWS_PER_SECOND, RESUMED_AT_EPOCH = "rows_per_second", "resumed_at_epoch"
COURSE = (ROWS_PER_SECOND, RESUMED_AT_EPOCH)
"""Metadata that says how a stage came by what it wrote. It may be another one for the same result, and no stage reads it."""

MODEL_SERVER = "tensorflow_model_server"
"""TF Serving's program."""

SIGNATURE_RAW = "serving_default"
"""Raw named tensors in, one per feature of the SERVING environment."""
SIGNATURE_EXAMPLES = "examples"
"""Serialized tf.Example protos in."""
EXAMPLES_INPUT = "examples"
"""The one input of the signatures that take serialized tf.Example protos."""
SIGNATURE_TRANSFORM = "transform_features"
"""Serialized tf.Example protos in, transformed features out."""


def tfrecord_file(shard: int, shards: int) -> str:
    """Returns the name of a shard of serialized tf.Example, as TFX writes them."""
    return f"data_tfrecord-{shard:05d}-of-{shards:05d}.gz"


def split_dir(split: str) -> str:
    """Returns the folder of one split inside an artifact, as TFX names it."""
    return f"Split-{split}"

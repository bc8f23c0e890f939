"""Takes the curated schema of a project into the pipeline."""

import dataclasses
from pathlib import Path

from components._data.schema import arrow_types, read_schema
from components._shared.artifacts import SCHEMA_FILE
from components._shared.digest import check_hash
from components._shared.outputs import write_text
from components.import_schema.checks import check_features, check_names


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImportedSchema:
    """What was imported.

    Attributes:
        features: Number of features.
    """

    features: int


def import_schema(*, project_dir: str, schema_hash: str, schema: str) -> ImportedSchema:
    """Copies the project's schema into an artifact, unchanged.

    Args:
        project_dir: Folder of the project, which holds `schema.pbtxt`.
        schema_hash: Digest of that file at compile time.
        schema: Folder of the artifact to write.

    Raises:
        UserError: If the file has changed since, is no schema, leaves a feature without a type, or asks for what the
            stages cannot do.
    """
    file = Path(project_dir) / SCHEMA_FILE
    check_hash(file, schema_hash, "schema")
    curated = read_schema(file)
    check_names(curated)
    check_features(curated)
    features = arrow_types(curated)
    write_text(Path(schema) / SCHEMA_FILE, file.read_bytes().decode())
    return ImportedSchema(features=len(features))

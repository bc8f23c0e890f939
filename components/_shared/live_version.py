"""The baseline artifact: the live version that a candidate is compared with, or the word that none is live."""

import dataclasses
from pathlib import Path

from components._shared.artifacts import ASSETS_EXTRA_DIR, BASELINE_FILE, BASELINE_MODEL_DIR, RELEASE_DIR
from components._shared.documents import read_object
from components._shared.errors import UserError


@dataclasses.dataclass(frozen=True)
class LiveVersion:
    """What is live.

    Attributes:
        version: Its number as text; empty when none is live.
        model_digest: Its digest as trained; empty when none is live.
        path: Its SavedModel; there only when one is live.
    """

    version: str
    model_digest: str
    path: Path

    @property
    def release(self) -> Path:
        """What it carries: statistics, schema, manifest, evaluation and decision."""
        return self.path / ASSETS_EXTRA_DIR / RELEASE_DIR


def read_live_version(baseline: str | Path) -> LiveVersion:
    """Reads a baseline artifact.

    Raises:
        UserError: If it does not say whether a version is live.
    """
    file = Path(baseline) / BASELINE_FILE
    try:
        document = read_object(file)
        version, digest = document["version"], document["model_digest"]
        if not (isinstance(version, str) and isinstance(digest, str)):
            raise TypeError(f"version {version!r}, model_digest {digest!r}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        rule = f"A baseline artifact says in {BASELINE_FILE} which version is live, if any."
        raise UserError(rule, received=f"{file}: {error!r}", remedy="Run fetch_baseline again.") from error
    return LiveVersion(version, digest, Path(baseline) / BASELINE_MODEL_DIR)

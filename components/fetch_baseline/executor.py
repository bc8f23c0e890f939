"""Copies the live version out of the serving directory, so that later stages compare with something that stays."""

import logging
import re
import shutil
from pathlib import Path

from components._release.base import Base, BucketPath
from components._release.bucket_versions import download_version
from components._release.store import serving_base
from components._shared.artifacts import BASELINE_FILE, BASELINE_MODEL_DIR
from components._shared.digest import digest_model, digest_tree
from components._shared.errors import UserError
from components._shared.outputs import write_json

logger = logging.getLogger(__name__)

_VERSION = re.compile(r"[1-9]\d{0,18}", re.ASCII)


def fetch_baseline(*, serving_dir: str, version: str, model_digest: str, pushed_digest: str, baseline: str) -> None:
    """Writes the baseline artifact: `baseline.json`, and the version's folder as `model/` when one is live.

    Args:
        serving_dir: Base path of the model in the serving directory.
        version: The live version; empty when none is live.
        model_digest: Expected digest of the model as trained.
        pushed_digest: Expected digest of the version's whole folder.
        baseline: Folder of the artifact.

    Raises:
        UserError: If the version is no number, is not there, or is not what its digests say.
    """
    folder = Path(baseline)
    folder.mkdir(parents=True, exist_ok=True)
    if version:
        if not _VERSION.fullmatch(version):
            raise UserError("A version is a whole number above 0.", received=version)
        _fetch_version(serving_base(serving_dir) / version, folder / BASELINE_MODEL_DIR, (model_digest, pushed_digest))
        logger.info("Fetched version %s", version)
    else:
        logger.info("No version is live: there is nothing to fetch")
    # Written last: an artifact without it is not complete.
    write_json(folder / BASELINE_FILE, {"version": version, "model_digest": model_digest, "pushed_digest": pushed_digest})


def _fetch_version(source: Base, target: Path, expected: tuple[str, str]) -> None:
    partial = target.with_name(f".{target.name}.partial")
    for leftover in (partial, target):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        if isinstance(source, BucketPath):
            download_version(source, partial)
        else:
            shutil.copytree(source, partial, copy_function=shutil.copyfile)
    except (FileNotFoundError, NotADirectoryError, shutil.Error) as error:
        raise UserError(
            "The live version stays in its place while it is fetched.",
            received=f"{source}: {error}",
            remedy="Restore the folder from a backup, or run the pipeline again if another version is live now.",
        ) from error
    # Verified on the copy: this is what will be compared with, whatever happens to the original.
    found = (digest_model(partial), digest_tree(partial))
    if found != expected:
        raise UserError(
            "The live version is what was pushed.",
            received=f"{source} with the digests {found} instead of {expected}",
            remedy="Somebody changed it: restore it from a backup. `sluice releases PROJECT --verify` lists every problem.",
        )
    partial.rename(target)

"""Finds the live version in a serving directory by its ledger."""

import dataclasses
import logging

from components._release.precedence import explain_precedence
from components._release.releases import list_releases, untrusted_versions
from components._release.store import serving_base

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResolvedBaseline:
    """The live version; every field is empty when none is live."""

    version: str = ""
    model_digest: str = ""
    pushed_digest: str = ""


def resolve_baseline(*, serving_dir: str) -> ResolvedBaseline:
    """Returns the live version of a model.

    A folder is never live because it is there: only what the ledger says was pushed, or claimed and in place with the claimed
    digest, counts.

    Args:
        serving_dir: Base path of the model in the serving directory; it need not exist yet.

    Raises:
        UserError: If the path is no folder, or the ledger is broken.
    """
    base = serving_base(serving_dir)
    releases = list_releases(base)
    for name in untrusted_versions(base, releases):
        logger.warning("%s is no version that the ledger says was pushed; it is not taken for the live one", base / name)
    if warning := explain_precedence(base):
        logger.warning("%s", warning)
    live = next((release for release in releases if release.live), None)
    if live is None:
        logger.info("No version is live in %s", base)
        return ResolvedBaseline()
    logger.info("Version %d is live in %s", live.version, base)
    return ResolvedBaseline(version=str(live.version), model_digest=live.model_digest, pushed_digest=live.pushed_digest)

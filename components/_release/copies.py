"""Where the copy of a candidate lies that waits for approval, and whether it is what was asked about."""

from components._release.approvals import Request
from components._release.base import Base, BucketPath
from components._release.bucket_versions import digest_version
from components._release.store import CANDIDATES_DIR, candidate_folder, is_whole


def copy_place(base: Base, request: Request) -> Base:
    """Returns where the copy of a request lies; in a bucket the request says it."""
    if isinstance(base, BucketPath):
        return base / CANDIDATES_DIR / str(request.record.get("copy"))
    return candidate_folder(base, request.model_digest)


def has_copy(base: Base, request: Request) -> bool:
    """Returns whether a candidate waits in its place, whole and unchanged."""
    place = copy_place(base, request)
    if isinstance(place, BucketPath):
        return digest_version(place)[0] == request.copy_digest
    return is_whole(place, request.copy_digest)

"""How a cluster may treat each stage of the training pipeline: serve it from its cache, and try it again.

Kubeflow's cache key is the image's reference, the command, the parameters, the names of mounted claims and the identity of
the input artifacts (their number in Kubeflow's metadata), never the content of a file. So whatever has to be looked up anew
is a small stage that is never cached and emits digests as parameters, and what follows is cached on those.

A retry is for stages that only read over the network. Kubeflow knows no exit codes: it also repeats what the user has to
mend (exit 2). So a stage that can refuse (exit 3), or that changes anything outside of its outputs, is never tried again.
A training that goes on from a checkpoint is tried again, too: what it repeats in vain are its last steps.
"""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class StagePolicy:
    """What a cluster may do with a stage.

    Attributes:
        cached: Whether an earlier result of the same inputs may stand in for it.
        retried: Whether it is tried again when it fails.
        resumes: Whether it is tried again where the project names a folder for its checkpoints.
        key: What stands for content in the cache key; or why there is no caching.
    """

    cached: bool
    retried: bool = False
    resumes: bool = False
    key: str


STAGE_POLICIES = {
    "resolve_inputs": StagePolicy(cached=False, retried=True, key="looks at the files as they are now"),
    "resolve_baseline": StagePolicy(cached=False, retried=True, key="looks at what is live now"),
    "fetch_baseline": StagePolicy(cached=True, retried=True, key="both digests of the live version"),
    "import_schema": StagePolicy(cached=True, key="the schema's digest"),
    "ingest_examples": StagePolicy(cached=True, retried=True, key="the fingerprint of all files, and the digest of each"),
    "generate_statistics": StagePolicy(cached=True, key="its input artifacts"),
    "validate_examples": StagePolicy(cached=True, key="its input artifacts, and the policy's digest"),
    "transform_features": StagePolicy(cached=True, key="its input artifacts, and the digest of features.py"),
    "train_model": StagePolicy(cached=True, resumes=True, key="its input artifacts, and the digest of model.py"),
    "evaluate_model": StagePolicy(cached=True, key="its input artifacts, and the policy's digest"),
    "validate_serving": StagePolicy(cached=True, key="its input artifacts, and the policy's digest"),
    "decide_release": StagePolicy(cached=False, key="decides about this run"),
    "push_model": StagePolicy(cached=False, key="changes what is served"),
}
"""The stages in the order in which they are wired."""

RETRIES, FIRST_WAIT_SECONDS, WAIT_FACTOR, LAST_RETRY_SECONDS = 3, 15, 2.0, 3600
"""Three more attempts, after 15, 30 and 60 seconds, but none an hour after the first one began."""

"""Keeps the wanted versions of every model loaded, without a gap while versions change.

A version is START, LOADING, AVAILABLE, UNLOADING, END, as GetModelStatus reports. As TF Serving's
availability_preserving_policy.cc: an unwanted version is unloaded only once a wanted one is AVAILABLE, or none is wanted.
A request holds its version; unloading waits for it.
"""

import gc
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from serving.config import check_model_config
from serving.errors import ServingError, invalid
from serving.servable import Servable, to_serving_error
from serving.states import ModelRequest, Version
from serving.versions import find_versions

logger = logging.getLogger(__name__)

Loader = Callable[[Path], Servable]


class Manager:
    """Loads, switches and unloads versions; any thread may call it.

    Args:
        load: Loads the version in a folder and warms it up.
        max_num_load_retries: Further attempts after a failed load.
        load_retry_seconds: Seconds between attempts.
        allow_labels_for_unavailable: Whether a new label may name a version that is not available yet.
    """

    def __init__(
        self,
        load: Loader,
        *,
        max_num_load_retries: int = 5,
        load_retry_seconds: float = 60.0,
        allow_labels_for_unavailable: bool = False,
    ) -> None:
        self._load_servable = load
        self._retries = max_num_load_retries
        self._retry_seconds = load_retry_seconds
        self._allow_labels = allow_labels_for_unavailable
        self._changed = threading.Condition()  # guards everything below
        self._reloading = threading.Lock()
        self._polling = threading.Lock()  # what one poll saw must not be applied after what a later one saw
        self._load_slots = threading.Semaphore(os.cpu_count() or 1)
        self._config: Any = None
        self._models: dict[str, Any] = {}
        self._labels: dict[str, dict[str, int]] = {}
        self._versions: dict[str, dict[int, Version]] = {}
        self._complaints: dict[str, str] = {}

    # Configuration

    def reload(self, config: Any, *, poll: bool = True) -> set[str]:
        """Replaces the whole configuration: models that it does not list are unloaded.

        Args:
            config: A ModelServerConfig.
            poll: Whether to look for versions at once.

        Returns:
            The names of the models that are new, for `wait_until_available`.

        Raises:
            ServingError: If the configuration is wrong, or a label would name a version that is not available. The
                old configuration then stays.
        """
        with self._reloading:
            check_model_config(config)
            if self._config is not None and config == self._config:
                return set()
            models = {model.name: model for model in config.model_config_list.config}
            with self._changed:
                labels = {name: self._checked_labels(model) for name, model in models.items()}
                new = set(models) - set(self._models)
            found = {name: find_versions(models[name]) for name in sorted(new)} if poll else {}
            with self._changed:
                removed = set(self._models) - set(models)
                self._config, self._models, self._labels = config, models, labels
                for name in removed:
                    self._want(name, {})
                for name, versions in found.items():
                    logger.info("(Re-)adding model: %s", name)
                    self._want(name, versions)
        if poll:
            self.poll()
        return new

    def poll(self) -> None:
        """Looks for versions of every model and loads or unloads what changed; complains in the log, once each."""
        with self._polling:
            with self._changed:
                models = dict(self._models)
            for model in models.values():
                self._poll_model(model)

    def _poll_model(self, model: Any) -> None:
        name, complaint = model.name, ""
        try:
            found = find_versions(model)
            if not found:
                complaint = (
                    f"No versions of servable {name} found under base path {model.base_path}. "
                    "Did you forget to name your leaf directory as a number (eg. '/1/')?"
                )
        except ServingError as error:
            found, complaint = None, error.message
        with self._changed:
            if complaint and complaint != self._complaints.get(name):
                logger.warning("%s", complaint)
            self._complaints[name] = complaint
            if found is not None and self._models.get(name) is model:  # not replaced meanwhile
                self._want(name, found)

    def wait_until_available(self, names: set[str], *, empty_too: bool = True) -> None:
        """Waits until each model has an available version.

        Args:
            names: Names of the models.
            empty_too: Whether to wait for a model without any version on disk as well.

        Raises:
            ServingError: UNKNOWN if every version of one of them could not be loaded.
        """

        def settled(name: str) -> bool:
            states = {version.state for version in self._wanted(name)}
            return "AVAILABLE" in states or states == {"END"} or not (states or empty_too)

        with self._changed:
            self._changed.wait_for(lambda: all(settled(name) or name not in self._models for name in names))
            wanted = [version for name in sorted(names) for version in self._wanted(name)]
            served = {version.model for version in wanted if version.state == "AVAILABLE"}
            failed = [version for version in wanted if version.error and version.model not in served]
        if failed:
            reasons = ", ".join(f"{{{version} due to error: {version.error}}}" for version in failed)
            raise ServingError("UNKNOWN", f"{len(failed)} model(s) did not become available: {{{reasons}, }}")

    def close(self, seconds: float) -> None:
        """Unloads everything, waiting at most so long for requests that are under way."""
        with self._changed:
            self._config, self._models, self._labels = None, {}, {}
            for name in self._versions:
                self._want(name, {})
            versions = [version for known in self._versions.values() for version in known.values()]
            self._changed.wait_for(lambda: all(version.state == "END" for version in versions), timeout=seconds)

    # Requests

    @contextmanager
    def use(self, request: ModelRequest) -> Iterator[tuple[int, Servable]]:
        """Yields number and servable of the version that a request asks for, and keeps it loaded meanwhile.

        Raises:
            ServingError: INVALID_ARGUMENT for no name or an unknown label, NOT_FOUND if no such version is available.
        """
        with self._changed:
            version = self._find(request)
            version.requests += 1
        assert version.servable is not None
        try:
            yield version.number, version.servable
        finally:
            with self._changed:
                version.requests -= 1
                if not version.requests and version.state == "UNLOADING":
                    self._changed.notify_all()

    def status(self, request: ModelRequest) -> list[tuple[int, str, ServingError | None]]:
        """Returns number, state and error of the versions that are known, the greatest first.

        Raises:
            ServingError: NOT_FOUND if there is no such version or model, INVALID_ARGUMENT for an unknown label.
        """
        with self._changed:
            known = self._versions.get(request.model, {})
            number = self._number(request)
            if number is not None and number not in known:
                raise ServingError("NOT_FOUND", f"Could not find version {number} of model {request.model}")
            if not known:
                raise ServingError("NOT_FOUND", f"Could not find any versions of model {request.model}")
            chosen = sorted(known, reverse=True) if number is None else [number]
            return [(n, known[n].state, known[n].error) for n in chosen]

    # What follows is called with the lock held.

    def _wanted(self, name: str) -> list[Version]:
        return [version for version in self._versions.get(name, {}).values() if version.wanted]

    def _number(self, request: ModelRequest) -> int | None:
        if not request.label:
            return request.version
        labels = self._labels.get(request.model, {})
        if request.label not in labels:
            raise invalid(f"Unrecognized servable version label: {request.label}")
        return labels[request.label]

    def _find(self, request: ModelRequest) -> Version:
        if not request.model:
            raise invalid("ModelSpec has no name specified.")
        number = self._number(request)
        known = self._versions.get(request.model, {})
        if number is None:
            available = [version for version in known.values() if version.state == "AVAILABLE"]
            if available:
                return max(available, key=lambda version: version.number)
            raise ServingError("NOT_FOUND", f"Servable not found for request: Latest({request.model})")
        if number in known and known[number].state == "AVAILABLE":
            return known[number]
        raise ServingError("NOT_FOUND", f"Servable not found for request: Specific({request.model}, {number})")

    def _checked_labels(self, model: Any) -> dict[str, int]:
        current = self._labels.get(model.name, {})
        known = self._versions.get(model.name, {})
        for label, number in model.version_labels.items():
            available = number in known and known[number].state == "AVAILABLE"
            unused = self._allow_labels and current.get(label, number) == number
            if not available and not unused:
                raise ServingError(
                    "FAILED_PRECONDITION",
                    f"Request to assign label to version {number} of model {model.name}, "
                    "which is not currently available for inference",
                )
        return dict(model.version_labels)

    def _want(self, name: str, found: dict[int, Path]) -> None:
        known = self._versions.setdefault(name, {})
        for number, version in known.items():
            version.wanted = version.wanted and number in found
        for number in sorted(found, reverse=True):
            old = known.get(number)
            if old is None or (old.state == "END" and not (old.wanted and old.error)):
                known[number] = Version(name, number, found[number])
                self._start(self._load, known[number])
            elif old.state in ("AVAILABLE", "UNLOADING") or not old.cancelled.is_set():
                old.wanted = True  # else a cancelled load ends first, and a later look begins it anew
        self._unload_unwanted(name)

    def _unload_unwanted(self, name: str) -> None:
        wanted = self._wanted(name)
        safe = not wanted or any(version.state == "AVAILABLE" for version in wanted)
        for version in self._versions[name].values():
            if not version.wanted:
                version.cancelled.set()
                if version.state == "AVAILABLE" and safe:
                    version.state = "UNLOADING"
                    self._start(self._unload, version)
        self._changed.notify_all()

    def _start(self, work: Callable[[Version], None], version: Version) -> None:
        threading.Thread(target=work, args=(version,), name=f"{work.__name__} {version}", daemon=True).start()

    # What follows runs in a thread per version.

    def _load(self, version: Version) -> None:
        servable, error = self._try_to_load(version)
        with self._changed:
            version.servable, version.error = servable, error
            version.state = "END" if servable is None else "AVAILABLE"
            self._unload_unwanted(version.model)
        if servable is not None:
            logger.info("Successfully loaded servable version %s", version)

    def _try_to_load(self, version: Version) -> tuple[Servable | None, ServingError | None]:
        error = ServingError("CANCELLED", "Load cancelled before we could try to load.")
        for attempt in range(self._retries + 1):
            if version.cancelled.wait(self._retry_seconds if attempt else 0):
                break
            with self._load_slots:
                with self._changed:
                    version.state = "LOADING"
                try:
                    return self._load_servable(version.path), None
                except Exception as failure:  # whatever it is, it ends this load and not the thread that others wait for
                    error = to_serving_error(failure)
                    logger.error("Servable: %s load failure: %s", version, error)
        return None, error

    def _unload(self, version: Version) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not version.requests)
            servable, version.servable = version.servable, None
        assert servable is not None
        servable.close()
        del servable
        gc.collect()  # a graph is full of cycles, and would stay until some later collection
        with self._changed:
            version.state = "END"
            self._changed.notify_all()
        logger.info("Done unloading servable version %s", version)

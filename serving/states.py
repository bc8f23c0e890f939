"""The state of a version, and how a request names one."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from serving.errors import ServingError
from serving.servable import Servable


@dataclass(eq=False)
class Version:
    """A version that was wanted at least once; guarded by the manager's lock.

    Attributes:
        state: As GetModelStatus names it.
        error: Why its load was given up.
        wanted: Whether the policy still asks for it.
        requests: How many requests hold it.
        cancelled: Set when it is no longer worth another attempt to load.
    """

    model: str
    number: int
    path: Path
    state: str = "START"
    error: ServingError | None = None
    servable: Servable | None = None
    wanted: bool = True
    requests: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)

    def __str__(self) -> str:
        return f"{{name: {self.model} version: {self.number}}}"


@dataclass(frozen=True)
class ModelRequest:
    """Which version a request asks for: by number, by label, or the latest that is available."""

    model: str
    version: int | None = None
    label: str = ""

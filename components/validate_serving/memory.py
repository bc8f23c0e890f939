"""How much memory this process holds, and held at most."""

import contextlib
import resource
import sys
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def forget_peak() -> None:
    """Lets the peak start anew from what is held now, where Linux allows it (proc(5), `clear_refs`)."""
    with contextlib.suppress(OSError):
        _CLEAR.write_text("5", encoding="ascii")


def held_mb() -> float | None:
    """Returns the resident memory in megabytes (10^6 bytes); None where only the peak is known, as off Linux."""
    return _status_mb("VmRSS") if _STATUS.exists() else None


def peak_mb() -> float:
    """Returns the greatest resident memory so far, in megabytes (10^6 bytes)."""
    if _STATUS.exists():  # not getrusage: on Linux its figure is inherited from the process that started this one
        return _status_mb("VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _status_mb(key: str) -> float:
    lines = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="utf-8").splitlines() if ":" in line)
    return int(lines[key].split()[0]) * 1024 / 1e6

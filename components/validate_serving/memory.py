"""How much memory a process held at most."""

from pathlib import Path


def peak_mb(pid: int) -> float | None:
    """Returns the greatest resident memory of a process so far, in megabytes (10^6 bytes).

    It is `VmHWM` of proc(5); None where there is no such file, as off Linux or when the process has ended.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    kilobytes = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return kilobytes[0] * 1024 / 1e6 if kilobytes else None

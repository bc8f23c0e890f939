"""Ends with 0 if the model server here has a version to serve of each of its models; the image's HEALTHCHECK.

The models are those of `--model_config_file`, or else MODEL_NAME; also where that file lies in a bucket.
"""

import json
import os
import re
import sys
import urllib.parse
import urllib.request
from pathlib import Path


def model_names(arguments: list[str]) -> set[str]:
    """Returns the models of a server that was started with these arguments."""
    files = [after if "=" not in argument else argument.partition("=")[2] for argument, after in _flags(arguments)]
    if not files or "://" in files[-1]:
        return {os.environ["MODEL_NAME"]}
    text = re.sub(r"#.*", "", Path(files[-1]).read_text(encoding="utf-8"))
    return {found[1] for found in re.findall(r"\bname\s*:\s*([\"'])(.*?)\1", text)}


def is_served(name: str) -> bool:
    """Returns whether the server has a version of a model that is AVAILABLE."""
    url = f"http://127.0.0.1:8501/v1/models/{urllib.parse.quote(name, safe='')}"
    with urllib.request.urlopen(url, timeout=4) as answer:
        return any(version["state"] == "AVAILABLE" for version in json.load(answer)["model_version_status"])


def _flags(arguments: list[str]) -> list[tuple[str, str]]:
    pairs = zip(arguments, [*arguments[1:], ""], strict=True)
    return [pair for pair in pairs if pair[0].partition("=")[0] == "--model_config_file"]


if __name__ == "__main__":
    # The first process is tini, with the arguments of the container.
    names = model_names(Path("/proc/1/cmdline").read_text(encoding="utf-8").split("\0"))
    sys.exit(not (names and all(map(is_served, names))))

"""The fresh process: loads the model as a server would, answers the requests of a job, and writes down what it saw.

Runs as `python -m components.validate_serving.worker --job FOLDER`; see `client.py` for the folder's files.
"""

import argparse
import dataclasses
import faulthandler
import logging
import time
from pathlib import Path
from typing import Any

from components._shared import cli, outputs
from components.validate_serving import job

logger = logging.getLogger("sluice.validate_serving")


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the worker's one flag."""
    parser = cli.make_parser("Loads a model in this process and answers the requests of a job.")
    parser.add_argument("--job", required=True, help="folder that holds job.json and rows.parquet; the answers go there too")
    return parser


def main(args: argparse.Namespace) -> None:
    """Answers the job's requests; what was measured is written last, so that it is whole when it is there."""
    folder = Path(args.job)
    task = job.read_job(folder)
    # Ends the process, with a traceback of where it hangs, also when whoever started it is gone.
    faulthandler.dump_traceback_later(task.timeout_seconds, exit=True)
    started = time.perf_counter()
    from components.validate_serving import probes  # noqa: PLC0415  # TensorFlow's import is part of what is measured

    imported = time.perf_counter() - started
    logger.info("Imported TensorFlow in %.1f s.", imported)
    measured: dict[str, Any] = dataclasses.asdict(probes.probe(task, folder))
    measured["seconds"]["import"] = imported
    outputs.write_json(folder / job.MEASURED_FILE, measured)


if __name__ == "__main__":
    cli.run(build_parser(), main)

"""Starts the target server, asks it everything, and tells what came of it."""

import contextlib
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from components.validate_serving.job import Job, Measured, Outcome, Samples
from components.validate_serving.target import (
    Server,
    ServerLostError,
    describe,
    find_binary,
    start_server,
    wait_until_available,
)

logger = logging.getLogger("sluice.validate_serving")

_LONGEST_MESSAGE = 500


def run_job(task: Job, samples: Samples) -> Outcome:
    """Asks the target server, which shares nothing with this process but the model's files.

    Args:
        task: What to ask.
        samples: The rows to ask it with.
    """
    if samples.rows.num_rows == 0:
        return Outcome(measured=None, answers={}, failure="The test split has no rows to send.")
    binary = find_binary()
    name = describe(binary)
    logger.info("The model is asked in %s.", name)
    if binary:
        _client_side()  # its start is timed from here, with nothing running beside it
    started = time.perf_counter()
    try:
        with start_server(binary, Path(task.model), task.timeout_seconds) as server:
            seen, answers, (transformed, alone) = _ask(server, task, samples)
            tail = server.log_tail() if seen.lost or "loads" in seen.problems else ""
    except ServerLostError as error:
        return Outcome(measured=None, answers={}, server=name, failure=str(error))
    seconds = time.perf_counter() - started
    return Outcome(
        measured=seen,
        answers=answers,
        transformed=transformed,
        transformed_alone=alone,
        server=name,
        log_tail=tail,
        seconds=seconds,
    )


def _ask(
    server: Server, task: Job, samples: Samples
) -> tuple[Measured, dict[str, np.ndarray], tuple[pa.Table | None, pa.Table | None]]:
    client_module, probes = _client_side()
    seen = Measured()
    try:
        seen.seconds |= wait_until_available(server)
    except ServerLostError as error:
        logger.warning("The model does not load: %s", error)
        seen.problems["loads"] = [str(error)[:_LONGEST_MESSAGE]]
        return seen, {}, (None, None)
    logger.info("AVAILABLE after a cold start of %.1f s.", seen.seconds["cold_start"])
    client = client_module.Client(server.port, server.rest_port, deadline=server.deadline, ending=server.ending)
    with contextlib.closing(client):
        answers, transformed, alone = probes.ask_everything(client, task, samples, seen, server.peak_mb)
    return seen, answers, (transformed, alone)


def _client_side() -> tuple[Any, Any]:
    """Imports TensorFlow with the modules `client` and `probes`; the local server imports it in the meantime too."""
    from components.validate_serving import client, probes  # noqa: PLC0415

    return client, probes

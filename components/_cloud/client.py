"""The client of Cloud Storage, imported when the first object is asked for, so that nobody else pays for it.

STORAGE_EMULATOR_HOST is honoured.
"""

import functools
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

S = TypeVar("S")
T = TypeVar("T")


@functools.cache
def client() -> Any:
    """Returns the client, one for all threads."""
    with warnings.catch_warnings():
        # Of the end of support for this Python, in every command: whoever sees it can do nothing about it.
        warnings.simplefilter("ignore", FutureWarning)
        from google.cloud import storage  # noqa: PLC0415

    return storage.Client()


def errors() -> Any:
    """Returns the module of the errors that answers stand for."""
    from google.api_core import exceptions  # noqa: PLC0415

    return exceptions


def failures() -> tuple[type[Exception], ...]:
    """Returns what is raised when rights or a bucket are missing, or the store does not answer."""
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415
    from requests.exceptions import RequestException  # noqa: PLC0415

    return (errors().GoogleAPICallError, errors().RetryError, GoogleAuthError, RequestException)


def request_options(timeout: float, retry_seconds: float, first_delay: float) -> dict[str, Any]:
    """Returns the options of a request that may be repeated.

    Args:
        timeout: Seconds until one attempt is given up.
        retry_seconds: Seconds until all attempts are; 0 for one attempt.
        first_delay: Seconds before the second attempt.
    """
    from google.cloud.storage.retry import DEFAULT_RETRY  # noqa: PLC0415

    retry = DEFAULT_RETRY.with_timeout(retry_seconds).with_delay(initial=first_delay) if retry_seconds else None
    return {"timeout": timeout, "retry": retry}


def run_parallel(do: Callable[[S], T], items: Iterable[S], workers: int) -> list[T]:
    """Calls a function with each item, some at a time, and returns the results in order; the first error is raised."""
    items = list(items)
    if len(items) < 2:
        return [do(item) for item in items]
    client()  # made here, not by every worker
    with ThreadPoolExecutor(min(workers, len(items))) as pool:
        futures = [pool.submit(do, item) for item in items]
        try:
            return [future.result() for future in futures]
        finally:
            pool.shutdown(cancel_futures=True)

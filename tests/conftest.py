import itertools
from pathlib import Path

import pytest
from object_server import ObjectServer

from components._release import gcs
from components._release.base import BucketPath

_NUMBERS = itertools.count(1)
_LONG = (
    "e2e/test_local_run.py",
    "components/evaluate_model/test_executor.py",
    "e2e/test_container_run.py",  # it compares with a run that test_local_run.py has left by then
    "components/push_model/test_interrupted.py",
    "notebooks/test_notebooks.py",
    "e2e/test_init.py",
    "components/train_model/test_executor.py",
    "pipelines/test_cli.py",
    "components/validate_serving/test_executor.py",
    "components/evaluate_model/test_fast_accumulation.py",
    "components/evaluate_model/test_fast_kinds.py",
    "e2e/test_label_kinds.py",
    "pipelines/test_resume.py",
    "components/push_model/test_server.py",
    "serving/test_main.py",
)
"""The files that take longest: they go first, so that no worker has one before it when the other has nothing left."""


def pytest_collection_modifyitems(items):
    ranks = {Path(__file__).parent / name: rank for rank, name in enumerate(_LONG)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


@pytest.fixture(scope="session")
def _object_server():
    server = ObjectServer()
    yield server
    server.close()


@pytest.fixture
def object_server(_object_server, monkeypatch):
    """Returns a server that stands in for Cloud Storage; it forgets its buckets and interruptions after each test."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", _object_server.url)
    gcs._client.cache_clear()
    yield _object_server
    _object_server.reset()
    gcs._client.cache_clear()


@pytest.fixture
def make_bucket(object_server):
    """Returns a function that makes a bucket and returns the base path of a model in it."""

    def make(folder="models/parcels"):
        name = f"bucket-{next(_NUMBERS)}"
        object_server.buckets[name] = {}
        return BucketPath(name, folder)

    return make


@pytest.fixture
def bucket(make_bucket):
    """Returns the base path of a model in an empty bucket."""
    return make_bucket()

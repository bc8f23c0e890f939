"""Finds the engine and the image for tests that start containers."""

import functools
import os

from components._shared.errors import UserError
from components._shared.images import IMAGE
from pipelines.container_engine import Engine, find_engine


@functools.cache
def find_test_image() -> tuple[Engine | None, str]:
    """Returns the engine and the image's identity, or None and why there is none.

    SLUICE_TEST_IMAGE names another image than the usual.
    """
    image = os.environ.get("SLUICE_TEST_IMAGE", IMAGE)
    try:
        engine = find_engine()
        image = engine.image_id(image)  # the same for all tests, though somebody builds it again meanwhile
        engine.call("run", "--rm", "--network", "none", image, "true")  # an engine may answer and yet run nothing
    except UserError as error:
        return None, f"NOT TESTED in containers: {error}"
    return engine, image

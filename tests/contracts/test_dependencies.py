"""What the locked environment must keep true."""

import importlib
import random

import farmhash
import pytest
import tensorflow as tf


def test_farmhash_gives_the_fingerprints_of_the_reference():
    # TFMA and TFDV need Fingerprint64; TensorFlow carries FarmHash's own C++ implementation.
    generator = random.Random(0)
    texts = ["", *("".join(chr(generator.randrange(32, 0x2FF)) for _ in range(length)) for length in range(1, 300))]
    expected = [int.from_bytes(row.tobytes(), "little") for row in tf.fingerprint(texts).numpy()]
    assert [farmhash.fingerprint64(text) for text in texts] == expected


@pytest.mark.parametrize(
    "module",
    [
        "tensorflow_data_validation",
        "tensorflow_model_analysis.api.model_eval_lib",
        "tensorflow_transform.beam",
        "tfx_bsl.public.tfxio",
    ],
)
def test_libraries_import(module):
    assert importlib.import_module(module)

import time

import pytest
import tensorflow as tf

from components.validate_serving.client import Client, RefusedError
from components.validate_serving.target import ServerLostError


@pytest.fixture(scope="module")
def slow_model(kit, tmp_path_factory):
    """Returns a model that takes a second or so for an answer."""

    def wait(raw):
        count = tf.while_loop(lambda i: i < 300_000, lambda i: (i + 1,), (tf.constant(0),), parallel_iterations=1)
        with tf.control_dependencies(count):
            return kit.good(raw)

    return kit.export(tmp_path_factory.mktemp("slow"), wait, warmup=False)


def test_both_interfaces_give_the_same_predictions(kit, good_model):
    with kit.served(good_model) as client:
        over_grpc = client.predict("serving_default", kit.raw_rows())["probability"]
        over_rest = client.predict_rest(kit.raw_rows(), kit.own())

    assert over_grpc.tolist() == pytest.approx(kit.expected().tolist())
    assert over_rest.astype("float32").tolist() == over_grpc.tolist()


def test_what_the_server_refuses_is_told_by_its_code(kit, good_model):
    with kit.served(good_model) as client:
        with pytest.raises(RefusedError, match=r"^FAILED_PRECONDITION: .*nothing"):
            client.predict("nothing", kit.raw_rows())
        with pytest.raises(RefusedError, match=r"^REST: 400: Failed to process element: 0"):
            client.predict_rest({"hour": kit.raw_rows()["hour"]}, kit.own())
        assert len(client.predict_rest(kit.raw_rows(), kit.own())) == 40  # and the connection is still good


@pytest.mark.parametrize("ask", ["predict", "predict_rest"])
def test_an_answer_that_comes_too_late_is_none(kit, slow_model, ask):
    with kit.served(slow_model) as client:
        client._deadline = time.monotonic() + 0.1
        asked = {"predict": ("serving_default", kit.raw_rows()), "predict_rest": (kit.raw_rows(), kit.own())}
        with pytest.raises(ServerLostError, match="did not answer in time"):
            getattr(client, ask)(*asked[ask])


@pytest.mark.parametrize("ending", ["The server was ended by signal 9.", ""])
def test_a_server_that_is_gone_is_told_from_one_that_refuses(kit, ending):
    client = Client(1, 1, deadline=time.monotonic() + 60, ending=lambda: ending)

    with pytest.raises(ServerLostError if ending else RefusedError, match="signal 9" if ending else "UNAVAILABLE"):
        client.signatures()
    with pytest.raises(ServerLostError if ending else RefusedError, match="signal 9" if ending else "REST: Connection"):
        client.predict_rest(kit.raw_rows(), kit.own())

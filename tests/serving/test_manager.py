import gc
import shutil
import threading

import numpy as np
import pytest

from serving.errors import ServingError
from serving.manager import Manager
from serving.servable import Servable
from serving.states import ModelRequest

HALF = ModelRequest("half")


@pytest.fixture
def make_manager():
    managers = []

    def make(load=Servable, **settings):
        managers.append(Manager(load, load_retry_seconds=0.01, **settings))
        return managers[-1]

    yield make
    for manager in managers:
        manager.close(5)


@pytest.fixture
def manager(make_manager):
    return make_manager()


@pytest.fixture
def start(model_config):
    def start(manager, base, *settings):
        manager.wait_until_available(manager.reload(model_config(("half", base, *settings))))

    return start


def states(manager, name="half"):
    return {number: state for number, state, _ in manager.status(ModelRequest(name))}


def predict(manager, request=HALF):
    with manager.use(request) as (number, servable):
        return number, float(servable.predict("", {"x": np.array([2], np.float32)})["y"][0])


def test_the_latest_version_is_served_and_the_old_one_unloaded(manager, start, base, push, half_plus_three, eventually):
    start(manager, base)
    assert predict(manager) == (1, 3.0)
    push(half_plus_three, base, 2)
    manager.poll()
    eventually(lambda: states(manager) == {2: "AVAILABLE", 1: "END"})
    assert predict(manager) == (2, 4.0)
    with pytest.raises(ServingError, match=r"NOT_FOUND: Servable not found for request: Specific\(half, 1\)"):
        predict(manager, ModelRequest("half", 1))


def test_the_old_version_serves_until_the_new_one_is_available(make_manager, start, base, push, half_plus_three, eventually):
    go = threading.Event()

    def load(path):
        if path.name == "2":
            go.wait(100)
        return Servable(path)

    manager = make_manager(load)
    start(manager, base)
    push(half_plus_three, base, 2)
    manager.poll()
    eventually(lambda: states(manager)[2] == "LOADING")
    assert predict(manager) == (1, 3.0)
    go.set()
    eventually(lambda: states(manager) == {2: "AVAILABLE", 1: "END"})


def test_a_version_that_does_not_load_leaves_the_old_one_serving(manager, start, base, eventually):
    start(manager, base)
    (base / "2").mkdir()
    manager.poll()
    eventually(lambda: states(manager)[2] == "END")
    assert predict(manager) == (1, 3.0)
    ((_, _, error),) = manager.status(ModelRequest("half", 2))
    assert error.code == "NOT_FOUND"
    assert "Could not find SavedModel" in error.message


def test_a_load_is_tried_again_as_often_as_told(make_manager, model_config, base):
    tries = []

    def load(path):
        tries.append(path)
        raise ServingError("DATA_LOSS", "torn")

    manager = make_manager(load, max_num_load_retries=2)
    new = manager.reload(model_config(("half", base)))
    with pytest.raises(
        ServingError, match=r"1 model\(s\) did not become available: {{{name: half version: 1} due to error: DATA_"
    ):
        manager.wait_until_available(new)
    assert len(tries) == 3


def test_a_load_that_succeeds_at_the_second_try_serves(make_manager, start, base):
    tries = []

    def load(path):
        tries.append(path)
        if len(tries) == 1:
            raise ServingError("UNAVAILABLE", "not yet")
        return Servable(path)

    manager = make_manager(load)
    start(manager, base)
    assert predict(manager) == (1, 3.0)


def test_an_error_that_nobody_foresaw_ends_the_load_and_not_the_server(make_manager, model_config, base):
    def load(path):
        raise RuntimeError("surprise")

    manager = make_manager(load, max_num_load_retries=0)
    with pytest.raises(ServingError, match="surprise"):
        manager.wait_until_available(manager.reload(model_config(("half", base))))


def test_a_version_that_is_withdrawn_is_not_tried_again(make_manager, model_config, base, eventually):
    tries = threading.Event()

    def load(path):
        tries.set()
        raise ServingError("DATA_LOSS", "torn")

    manager = make_manager(load, max_num_load_retries=1_000_000)
    manager.reload(model_config(("half", base)))
    tries.wait(100)
    (base / "1").rename(base / ".withdrawn-1")
    manager.poll()
    eventually(lambda: states(manager) == {1: "END"})


def test_a_version_that_returns_while_its_load_is_given_up_is_loaded_after_all(make_manager, model_config, base, eventually):
    begun, go = threading.Event(), threading.Event()

    def load(path):
        if not begun.is_set():
            begun.set()
            go.wait(100)
            raise ServingError("DATA_LOSS", "torn")
        return Servable(path)

    manager = make_manager(load)
    manager.reload(model_config(("half", base)))
    begun.wait(100)
    (base / "1").rename(base / ".withdrawn-1")
    manager.poll()
    (base / ".withdrawn-1").rename(base / "1")
    manager.poll()
    go.set()
    eventually(lambda: (manager.poll(), states(manager))[1] == {1: "AVAILABLE"})


def test_a_request_keeps_its_version(manager, start, base, push, half_plus_three, eventually):
    start(manager, base)
    with manager.use(HALF) as (_, servable):
        push(half_plus_three, base, 2)
        manager.poll()
        eventually(lambda: states(manager) == {2: "AVAILABLE", 1: "UNLOADING"})
        assert predict(manager) == (2, 4.0)
        assert servable.predict("", {"x": np.array([2], np.float32)})["y"].tolist() == [3.0]
        assert states(manager)[1] == "UNLOADING"
    eventually(lambda: states(manager)[1] == "END")


def test_all_and_specific_policies_serve_what_they_name(manager, start, base, push, half_plus_three, model_config, eventually):
    push(half_plus_three, base, 2)
    push(half_plus_three, base, 3)
    start(manager, base, "model_version_policy { all {} }")
    eventually(lambda: set(states(manager).values()) == {"AVAILABLE"})
    assert predict(manager, ModelRequest("half", 1)) == (1, 3.0)
    manager.reload(model_config(("half", base, "model_version_policy { specific { versions: 1 versions: 2 } }")))
    eventually(lambda: states(manager) == {1: "AVAILABLE", 2: "AVAILABLE", 3: "END"})
    assert predict(manager) == (2, 4.0)


def test_a_base_path_that_is_emptied_unloads_and_one_that_vanishes_does_not(manager, start, base, eventually):
    start(manager, base)
    base.rename(base.with_name("away"))
    manager.poll()
    assert predict(manager) == (1, 3.0)
    base.with_name("away").rename(base)
    shutil.rmtree(base / "1")
    manager.poll()
    eventually(lambda: states(manager) == {1: "END"})
    with pytest.raises(ServingError, match=r"Servable not found for request: Latest\(half\)"):
        predict(manager)


def test_a_version_that_returns_is_loaded_again(manager, start, base, eventually):
    start(manager, base)
    (base / "1").rename(base / ".withdrawn-1")
    manager.poll()
    eventually(lambda: states(manager) == {1: "END"})
    (base / ".withdrawn-1").rename(base / "1")
    manager.poll()
    eventually(lambda: states(manager) == {1: "AVAILABLE"})


def test_a_model_that_comes_later_is_waited_for(manager, model_config, base, eventually):
    (base / "1").rename(base / ".staging")
    new = manager.reload(model_config(("half", base)))
    manager.wait_until_available(new, empty_too=False)
    (base / ".staging").rename(base / "1")
    manager.poll()
    manager.wait_until_available(new)
    assert predict(manager) == (1, 3.0)


def test_a_configuration_replaces_the_whole_one_before_it(
    manager, start, base, push, half_plus_three, model_config, eventually
):
    start(manager, base)
    push(half_plus_three, base.with_name("third"), 7)
    manager.wait_until_available(manager.reload(model_config(("third", base.with_name("third")))))
    assert predict(manager, ModelRequest("third")) == (7, 4.0)
    eventually(lambda: states(manager) == {1: "END"})


@pytest.mark.parametrize("wrong", ["relative", "/nowhere"])
def test_a_wrong_configuration_changes_nothing(manager, start, base, model_config, wrong):
    start(manager, base)
    with pytest.raises(ServingError):
        manager.reload(model_config(("other", wrong)))
    assert predict(manager) == (1, 3.0)
    with pytest.raises(ServingError, match="Could not find any versions of model other"):
        manager.status(ModelRequest("other"))


def label(name, version):
    return f'model_version_policy {{ all {{}} }} version_labels {{ key: "{name}" value: {version} }}'


def test_labels_name_available_versions(manager, start, base, push, half_plus_three, model_config, eventually):
    push(half_plus_three, base, 2)
    start(manager, base, "model_version_policy { all {} }")
    eventually(lambda: set(states(manager).values()) == {"AVAILABLE"})
    manager.reload(model_config(("half", base, label("stable", 1))))
    assert predict(manager, ModelRequest("half", label="stable")) == (1, 3.0)
    assert manager.status(ModelRequest("half", label="stable")) == [(1, "AVAILABLE", None)]
    manager.reload(model_config(("half", base, label("stable", 2))))
    assert predict(manager, ModelRequest("half", label="stable")) == (2, 4.0)


def test_a_label_for_an_unavailable_version_is_refused_and_the_old_labels_stay(manager, start, base, model_config):
    start(manager, base)
    manager.reload(model_config(("half", base, label("stable", 1))))
    with pytest.raises(ServingError) as raised:
        manager.reload(model_config(("half", base, label("stable", 9))))
    assert raised.value.code == "FAILED_PRECONDITION"
    assert "assign label to version 9 of model half, which is not currently available" in raised.value.message
    assert predict(manager, ModelRequest("half", label="stable")) == (1, 3.0)
    for ask in (predict, type(manager).status):
        with pytest.raises(ServingError, match="INVALID_ARGUMENT: Unrecognized servable version label: canary"):
            ask(manager, ModelRequest("half", label="canary"))


def test_labels_at_the_start_need_to_be_allowed(make_manager, manager, model_config, base):
    config = model_config(("half", base, label("stable", 1)))
    with pytest.raises(ServingError, match="FAILED_PRECONDITION"):
        manager.reload(config)
    allowing = make_manager(allow_labels_for_unavailable=True)
    allowing.wait_until_available(allowing.reload(config))
    assert predict(allowing, ModelRequest("half", label="stable")) == (1, 3.0)
    with pytest.raises(ServingError, match="FAILED_PRECONDITION"):  # only a label that is not in use may run ahead
        allowing.reload(model_config(("half", base, label("stable", 2))))


def test_a_name_is_needed_and_must_be_known(manager, start, base):
    start(manager, base)
    with pytest.raises(ServingError, match=r"INVALID_ARGUMENT: ModelSpec has no name specified\."):
        predict(manager, ModelRequest(""))
    with pytest.raises(ServingError, match=r"NOT_FOUND: Servable not found for request: Latest\(other\)"):
        predict(manager, ModelRequest("other"))
    with pytest.raises(ServingError, match="NOT_FOUND: Could not find version 5 of model half"):
        manager.status(ModelRequest("half", 5))


def test_versions_that_come_and_go_leave_no_servable_behind(manager, start, base, push, half_plus_two, eventually):
    start(manager, base)
    for number in range(2, 8):
        push(half_plus_two, base, number)
        manager.poll()
        eventually(lambda number=number: states(manager)[number] == "AVAILABLE")
    eventually(lambda: list(states(manager).values()) == ["AVAILABLE", *["END"] * 6])
    gc.collect()
    assert sum(isinstance(item, Servable) for item in gc.get_objects()) == 1

import pytest

from components._shared.errors import UserError
from pipelines.kubeflow import Connection, connected
from pipelines.schedule import Schedule, parse_interval, parse_moment, remove_schedule, replace_schedule


@pytest.fixture
def package(small_pipeline):
    return {"pipeline_package_path": str(small_pipeline)}


@pytest.fixture
def make(kfp_api, package):
    def make(name="parcels", experiment="parcels", **settings):
        with connected(Connection(host=kfp_api.url)) as kubeflow:
            return replace_schedule(kubeflow, package, {"epochs": 2}, Schedule(**settings), experiment=experiment, name=name)

    return make


def test_a_schedule_says_all_that_kubeflow_needs(kfp_api, make):
    schedule_id, replaced = make(cron="0 0 6 * * *", start="2027-01-01T00:00:00Z", end="2027-02-01T00:00:00Z")
    made = kfp_api.recurring_runs[schedule_id]
    assert replaced == 0
    assert made["trigger"] == {
        "cron_schedule": {"cron": "0 0 6 * * *", "start_time": "2027-01-01T00:00:00Z", "end_time": "2027-02-01T00:00:00Z"}
    }
    assert (made["max_concurrency"], made["no_catchup"], made["status"]) == (1, True, "ENABLED")
    assert made["runtime_config"]["parameters"] == {"epochs": 2}


def test_every_moment_that_was_missed_gets_a_run_on_request(kfp_api, make):
    made = kfp_api.recurring_runs[make(interval_seconds=3600, catch_up=True, max_concurrency=3)[0]]
    assert (made["trigger"]["periodic_schedule"]["interval_second"], made["no_catchup"], made["max_concurrency"]) == (
        3600,
        False,
        3,
    )


def test_the_same_command_again_leaves_one_schedule(kfp_api, make):
    first, second = make(interval_seconds=60), make(interval_seconds=60)
    assert second[1] == 1
    assert set(kfp_api.recurring_runs) == {second[0]} != {first[0]}


def test_the_old_one_is_disabled_before_the_new_one_is_there(kfp_api, make):
    make(interval_seconds=60)
    begin = len(kfp_api.requests)
    make(interval_seconds=90)
    changes = [method + path.rpartition(":")[2] for method, path in kfp_api.requests[begin:] if method != "GET"]
    assert [change.partition("/")[0] for change in changes] == ["POSTdisable", "POST", "DELETE"]


def test_schedules_of_another_name_or_experiment_stay(kfp_api, make):
    others = {make(name="other", interval_seconds=60)[0], make(experiment="other", interval_seconds=60)[0]}
    assert make(interval_seconds=60)[1] == 0
    assert others < set(kfp_api.recurring_runs)


def test_a_schedule_that_cannot_be_made_leaves_the_old_one_on(kfp_api, make):
    old, _ = make(interval_seconds=60)
    kfp_api.interrupt = lambda method, path: 500 if (method, path) == ("POST", "/apis/v2beta1/recurringruns") else None
    with pytest.raises(UserError, match="Kubeflow answers"):
        make(interval_seconds=90)
    assert {name: item["status"] for name, item in kfp_api.recurring_runs.items()} == {old: "ENABLED"}


def test_what_a_command_that_died_left_is_cleared_from_every_page(kfp_api, make):
    leftovers = [make(name=f"leftover {number}", interval_seconds=60)[0] for number in range(3)]
    for name in leftovers:
        kfp_api.recurring_runs[name] |= {"display_name": "parcels", "status": "DISABLED"}
    kfp_api.page_size = 2
    new, replaced = make(interval_seconds=60)
    assert replaced == 3
    assert set(kfp_api.recurring_runs) == {new}


def test_a_schedule_can_be_removed(kfp_api, make):
    make(interval_seconds=60)
    with connected(Connection(host=kfp_api.url)) as kubeflow:
        assert remove_schedule(kubeflow, experiment="parcels", name="parcels") == 1
        assert remove_schedule(kubeflow, experiment="parcels", name="parcels") == 0
    assert not kfp_api.recurring_runs


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "a cron expression or an interval"),
        ({"cron": "@daily", "interval_seconds": 60}, "and not both"),
        ({"cron": "0 6 * * *"}, r'Put the seconds first: --cron "0 0 6 \* \* \*"'),
        ({"cron": "every day"}, "six fields"),
        ({"cron": "0 0 6 * * $"}, "six fields"),
        ({"interval_seconds": 60, "start": "2027-02-01T00:00:00Z", "end": "2027-01-01T00:00:00Z"}, "before it ends"),
        ({"interval_seconds": 60, "max_concurrency": 0}, "Between 1 and 10"),
        ({"interval_seconds": 60, "max_concurrency": 11}, "Between 1 and 10"),
    ],
)
def test_a_schedule_that_is_none_is_refused(settings, problem):
    with pytest.raises(UserError, match=problem):
        Schedule(**settings)


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("30m", 1800), ("6h", 21600), ("1d", 86400), ("", 0)])
def test_an_interval_has_a_unit(text, seconds):
    assert parse_interval(text) == seconds


@pytest.mark.parametrize("text", ["0", "0h", "-1h", "1w", "soon", "1.5h"])
def test_an_interval_that_is_none_is_refused(text):
    with pytest.raises(UserError, match="30m, 6h or 1d"):
        parse_interval(text)


@pytest.mark.parametrize("text", ["2027-01-01T06:00:00Z", "2027-01-01T07:00:00+01:00", "2027-01-01T06:00:00.5+00:00"])
def test_a_moment_is_told_in_utc(text):
    assert parse_moment(text) == "2027-01-01T06:00:00Z"


def test_a_moment_that_is_none_is_refused():
    with pytest.raises(UserError, match="ISO 8601"):
        parse_moment("tomorrow")

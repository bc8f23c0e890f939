"""Schedules the training pipeline in Kubeflow: one recurring run per name, replaced as a whole."""

import dataclasses
import datetime
import re
from typing import Any

import kfp_server_api
import urllib3

from components._shared.errors import UserError
from pipelines.kubeflow import Kubeflow
from pipelines.upload import named

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_CRON_FIELD = re.compile(r"[\dA-Za-z*?/,-]+", re.ASCII)
_CRON_NAMES = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_MOST_AT_ONCE = 10
_PAGE_SIZE = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class Schedule:
    """When the pipeline runs.

    Attributes:
        cron: Six fields, seconds first, in the time zone of the cluster; empty for an interval.
        interval_seconds: Seconds between two runs; 0 for a cron expression.
        start: First moment, RFC 3339; empty for now.
        end: Last moment, RFC 3339; empty for never.
        catch_up: Whether every moment that was missed gets a run of its own, and not only the last one.
        max_concurrency: How many runs may go on at once.
    """

    cron: str = ""
    interval_seconds: int = 0
    start: str = ""
    end: str = ""
    catch_up: bool = False
    max_concurrency: int = 1

    def __post_init__(self) -> None:
        if bool(self.cron) == bool(self.interval_seconds):
            remedy = 'Give --cron "0 0 6 * * *" or --interval 1d.'
            raise UserError("A schedule has a cron expression or an interval, and not both.", remedy=remedy)
        if self.cron:
            _check_cron(self.cron)
        if self.start and self.end and self.start >= self.end:
            raise UserError("A schedule starts before it ends.", received=f"{self.start} and {self.end}")
        if not 1 <= self.max_concurrency <= _MOST_AT_ONCE:
            raise UserError(f"Between 1 and {_MOST_AT_ONCE} runs go on at once.", received=self.max_concurrency)


def parse_interval(text: str) -> int:
    """Returns the seconds of an interval such as `90s`, `30m`, `6h` or `1d`; 0 of an empty text.

    Raises:
        UserError: If it is not one, or not above 0.
    """
    match = re.fullmatch(r"(\d{1,9})([smhd]?)", text, re.ASCII)
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if text and not seconds:
        raise UserError("An interval is a number above 0 with a unit.", received=text, remedy="Write 30m, 6h or 1d.")
    return seconds


def parse_moment(text: str) -> str:
    """Returns a moment in RFC 3339 and UTC, of an ISO 8601 text; one without a time zone is local time. Empty stays empty.

    Raises:
        UserError: If it is not one.
    """
    if not text:
        return ""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise UserError(
            "A moment is written as ISO 8601 has it.", received=text, remedy="Write 2027-01-31T06:00:00Z."
        ) from error
    return f"{moment.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"


def replace_schedule(
    kubeflow: Kubeflow, package: dict[str, str], arguments: dict[str, Any], schedule: Schedule, *, experiment: str, name: str
) -> tuple[str, int]:
    """Makes the schedule, in place of those of its name in the experiment.

    The old ones are disabled first, so that no moment starts two runs, and deleted when the new one is there. If that
    fails they are enabled again. A command that died in between is completed by the next one. Runs are never touched.

    Args:
        kubeflow: The server.
        package: What to run, as `pipelines.upload.package_of` says it.
        arguments: Pipeline parameters that differ from their defaults.
        schedule: When it runs.
        experiment: Name of the experiment, which is made if it is not there.
        name: Name of the schedule.

    Returns:
        ID of the new schedule, and how many it replaced.
    """
    client = kubeflow.client
    experiment_id = kubeflow.make_experiment(experiment)
    old = _named(kubeflow, experiment_id, name)
    enabled = [item for item in old if item.status != "DISABLED"]
    for item in enabled:
        client.disable_recurring_run(item.recurring_run_id)
    try:
        new = client.create_recurring_run(
            experiment_id,
            name,
            start_time=schedule.start or None,
            end_time=schedule.end or None,
            interval_second=schedule.interval_seconds or None,
            cron_expression=schedule.cron or None,
            max_concurrency=schedule.max_concurrency,
            no_catchup=not schedule.catch_up,
            params=arguments,
            **package,
        )
    except (kfp_server_api.ApiException, urllib3.exceptions.HTTPError):
        for item in enabled:
            client.enable_recurring_run(item.recurring_run_id)
        raise
    for item in old:
        client.delete_recurring_run(item.recurring_run_id)
    return str(new.recurring_run_id), len(old)


def remove_schedule(kubeflow: Kubeflow, *, experiment: str, name: str) -> int:
    """Deletes the schedules of a name; its runs stay. Returns how many there were.

    Raises:
        UserError: If the experiment is not there.
    """
    found = _named(kubeflow, kubeflow.experiment_id(experiment), name)
    for item in found:
        kubeflow.client.delete_recurring_run(item.recurring_run_id)
    return len(found)


def _named(kubeflow: Kubeflow, experiment_id: str, name: str) -> list[Any]:
    """Returns the recurring runs of a name in an experiment, from all pages."""
    found: list[Any] = []
    page = ""
    while True:
        answer = kubeflow.client.list_recurring_runs(page, _PAGE_SIZE, experiment_id=experiment_id, filter=named(name))
        found += answer.recurring_runs or []
        page = answer.next_page_token or ""
        if not page:
            return found


def _check_cron(text: str) -> None:
    fields = text.split()
    if text in _CRON_NAMES or (len(fields) == 6 and all(_CRON_FIELD.fullmatch(field) for field in fields)):
        return
    remedy = (
        f'Put the seconds first: --cron "0 {text}".'
        if len(fields) == 5
        else 'Write --cron "0 0 6 * * *" for six every morning.'
    )
    raise UserError("Kubeflow's cron expressions have six fields: seconds to days of the week.", received=text, remedy=remedy)

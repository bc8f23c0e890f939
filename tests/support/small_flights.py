"""A small flights project: the real code and configuration on a few thousand made-up flights."""

import random
import shutil
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
FLIGHTS = ROOT / "projects" / "flights"
COLUMNS = [
    "year",
    "month",
    "day",
    "dep_time",
    "sched_dep_time",
    "dep_delay",
    "arr_time",
    "sched_arr_time",
    "arr_delay",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "air_time",
    "distance",
    "hour",
    "minute",
    "time_hour",
    "plane_year",
    "plane_seats",
]
CARRIERS = {"UA": 0.5, "B6": 1.0, "EV": 1.6, "DL": 0.3}
FLIGHTS_PER_DAY = 60


def make_flights(month):
    """Returns the rows of one month, late in the evening more often than in the morning, whatever the seed of the day."""
    generator = random.Random(month)
    for day in range(1, 29):
        for flight in range(FLIGHTS_PER_DAY):
            carrier = generator.choice(list(CARRIERS))
            hour = generator.randrange(5, 23)
            late = generator.random() < 0.04 * CARRIERS[carrier] * (hour - 3) / 1.6
            known = generator.random() > 0.15
            yield {
                "year": 2013,
                "month": month,
                "day": day,
                "dep_time": hour * 100,
                "sched_dep_time": hour * 100,
                "dep_delay": 0,
                "arr_time": hour * 100 + 130,
                "sched_arr_time": hour * 100 + 130,
                "arr_delay": generator.randrange(16, 90) if late else generator.randrange(-30, 15),
                "carrier": carrier,
                "flight": flight,
                "tailnum": f"N{generator.randrange(100, 160)}",
                "origin": generator.choice(["EWR", "JFK", "LGA"]),
                "dest": generator.choice(["ATL", "BOS", "MIA", "ORD", "SFO"]),
                "air_time": 120,
                "distance": generator.randrange(200, 2500),
                "hour": hour,
                "minute": generator.randrange(60),
                "time_hour": f"2013-{month:02d}-{day:02d}T{hour:02d}:00:00Z",
                "plane_year": generator.randrange(1985, 2013) if known else "NA",
                "plane_seats": generator.choice([50, 150, 200]) if known else "NA",
            }


def write_span(project, month, rows=None, columns=COLUMNS):
    rows = list(make_flights(month)) if rows is None else rows
    path = project / "data" / f"span-{month}" / "flights.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([",".join(columns), *(",".join(str(row[name]) for name in columns) for row in rows)]) + "\n")
    return path


def make_project(folder, months=(1, 2)):
    """Copies the flights project, with bounds that suit a few thousand rows."""
    project = folder / "flights"
    project.mkdir(parents=True)
    for name in ("features.py", "model.py", "schema.pbtxt"):
        shutil.copy(FLIGHTS / name, project)
    config = yaml.safe_load((FLIGHTS / "project.yaml").read_text())
    config["source"]["spans"] = "all"
    config["training"].update(epochs=4, batch_size=128)
    config["gates"]["data"]["min_rows"] = {"train": 100, "eval": 50, "test": 50}
    config["gates"]["performance"]["min_slice_size"] = 50
    config["gates"]["fairness"] = {"protected": ["origin"], "min_group_size": 30, "max_demographic_parity_difference": 1}
    config["gates"]["calibration"].update(max_calibration_error=1, max_base_rate_ratio=100)
    config["gates"]["regression"].update(margin=1, resamples=200, resample="row")
    config["gates"]["serving"].update(requests=299, max_p99_ms={"1": 2000})
    config["gates"]["parity"]["rows"] = 100
    config["gates"]["robustness"].update(rows=50, max_mean_change=1, max_p99_change=1)
    for rule in config["gates"]["business_rules"]["rules"]:
        rule["max_share"] = 1.0
    metrics = config["evaluation"]["metrics_specs"][0]["metrics"]
    next(metric for metric in metrics if metric["class_name"] == "Calibration").pop("threshold")
    auc = next(metric for metric in metrics if metric["class_name"] == "AUC")
    auc["threshold"]["value_threshold"]["lower_bound"]["value"] = 0.55
    auc["threshold"]["change_threshold"]["absolute"]["value"] = -0.2
    auc.pop("per_slice_thresholds")
    (project / "project.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    for month in months:
        write_span(project, month)
    return project

"""The alerts and the dashboard, in Prometheus's own eyes; what needs promtool is skipped where it is not."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from kube_manifests import MANIFESTS, read, tool, written

CASES = Path(__file__).parent / "alerts_test.yaml"


@pytest.fixture(scope="module")
def promtool():
    program = tool("promtool")
    if not program:
        pytest.skip("promtool is not here: .ci/install_tools")

    def run(*arguments):
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def rules(tmp_path):
    """Returns the file of rules that the operator would give to Prometheus."""
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(written("PrometheusRule")["spec"]))
    return file


def dashboard():
    return json.loads((MANIFESTS / "base/monitoring/model-server.json").read_text(encoding="utf-8"))


def dashboard_expressions():
    board = dashboard()
    found = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    found += [item["expr"] for item in board["annotations"]["list"]]
    queries = [item["query"] for item in board["templating"]["list"] if item["type"] == "query"]
    return found + [re.fullmatch(r"label_values\((.*), \w+\)", query)[1] for query in queries]


def test_the_rules_are_prometheuss(promtool, rules):
    code, said = promtool("check", "rules", rules)
    assert code == 0, said
    assert "6 rules found" in said


def test_every_alert_fires_when_it_should_and_not_before(promtool, rules):
    (rules.parent / CASES.name).write_text(CASES.read_text(encoding="utf-8"), encoding="utf-8")
    code, said = promtool("test", "rules", rules.parent / CASES.name)
    assert code == 0, said


def test_a_wrong_bound_is_found_by_the_cases(promtool, rules):
    rules.write_text(rules.read_text().replace("> 0.01", "> 0.1"))
    (rules.parent / CASES.name).write_text(CASES.read_text(encoding="utf-8"), encoding="utf-8")
    code, said = promtool("test", "rules", rules.parent / CASES.name)
    assert code == 1
    assert "ModelErrors" in said


def test_every_alert_has_a_case_in_which_it_fires():
    cases = [case for test in read(CASES)[0]["tests"] for case in test.get("alert_rule_test", [])]
    alerts = {
        rule["alert"] for group in written("PrometheusRule")["spec"]["groups"] for rule in group["rules"] if "alert" in rule
    }
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == alerts
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == alerts


def test_every_expression_of_the_dashboard_is_promql(promtool, tmp_path):
    expressions = dashboard_expressions()
    assert len(expressions) > 10
    rules = []
    for number, expression in enumerate(expressions):
        text = expression.replace("$__rate_interval", "5m").replace("$namespace", "flights").replace("$model", "flights")
        assert "$" not in text
        rules.append({"record": f"panel:{number}", "expr": text})
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    code, said = promtool("check", "rules", file)
    assert code == 0, said


def test_the_panels_lie_side_by_side():
    board = dashboard()
    places = {
        (place["x"] + x, place["y"] + y)
        for panel in board["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["w"])
        for y in range(place["h"])
    }
    assert len(places) == sum(panel["gridPos"]["w"] * panel["gridPos"]["h"] for panel in board["panels"])
    assert max(x for x, _ in places) < 24
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert {target["datasource"]["uid"] for panel in board["panels"] for target in panel["targets"]} == {"${datasource}"}

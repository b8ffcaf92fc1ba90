"""The dashboard and the alerts that come with the package: no panel is blank, and no alert sleeps."""

import json
import re
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import pytest

from resilient.metrics.definitions import METRICS
from tests.adapters.prometheus_server import Prometheus, promtool
from tests.stores.servers import Server

SHIPPED = files("resilient_adapters.prometheus") / "shipped"
RULES = Path(str(SHIPPED / "rules.yml"))
DASHBOARD = json.loads((SHIPPED / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = {
    f"{panel['title']}: {target['legendFormat']}": target["expr"] for panel in PANELS for target in panel["targets"]
}
NAME = re.compile(r"\bresilient[_:][a-z0-9_:]+\b")
"""A metric, or what a rule records."""


def meant(expression):
    """An expression of the dashboard as Grafana sends it with everything chosen."""
    return expression.replace("$__rate_interval", "10s").replace("$job", ".*").replace("$client", ".*")


# --- the files by themselves ---


def test_the_rules_are_right():
    """By Prometheus's own tool: three ratios and eleven alerts."""
    assert "14 rules found" in promtool("check", "rules", RULES)
    text = RULES.read_text()
    assert (text.count("- record:"), text.count("- alert:")) == (3, 11)
    assert text.count("summary:") == text.count("why:") == text.count("action:") == 11


def test_each_alert_fires_when_it_should_and_not_before():
    """By the unit tests that come with the rules, each alert in some of them."""
    tests = SHIPPED / "rules_test.yml"
    assert "SUCCESS" in promtool("test", "rules", tests)
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
    tested = re.findall(r"- alertname: (\w+)\n +eval_time: \w+\n +exp_alerts:\n", tests.read_text())
    assert set(tested) == set(alerts)


def test_the_dashboard_is_what_grafana_reads():
    """Rows, panels that do not overlap, and three variables; each panel asks the source that was chosen."""
    assert [each["name"] for each in DASHBOARD["templating"]["list"]] == ["datasource", "job", "client"]
    assert len([panel for panel in DASHBOARD["panels"] if panel["type"] == "row"]) == 5
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    places = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        mine = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert places.isdisjoint(mine), panel["title"]
        places |= mine
    for panel in PANELS:
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"]), panel["title"]
        assert all("$job" in target["expr"] for target in panel["targets"]), panel["title"]


def test_every_metric_is_on_the_dashboard():
    """Or it is one that says of the program itself what no line could."""
    shown = set(NAME.findall(" ".join(EXPRESSIONS.values())))
    missing = [metric.name for metric in METRICS if not any(f"resilient_{metric.name}" in name for name in shown)]
    apart = {"circuit_opened_timestamp", "store_degraded", "csc_staleness_bound", "label_overflow", "build_info"}
    assert set(missing) == apart


# --- beside a program in which everything happens ---


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Its port, and a Redis server of its own."""
    folder = tmp_path_factory.mktemp("everything")
    redis = Server(folder / "redis")
    redis.start()
    with (folder / "errors").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.adapters.everything", redis.url, str(folder)],
            cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
    port = process.stdout.readline()
    try:
        assert port, (folder / "errors").read_text()
        yield int(port), redis
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(60)
        redis.stop()
    assert (process.returncode, (folder / "errors").read_text()) == (0, "")


@pytest.fixture(scope="module")
def server(program, tmp_path_factory):
    """A Prometheus that scrapes it."""
    server = Prometheus(tmp_path_factory.mktemp("prometheus"), program[0], RULES)
    yield server
    server.close()


@pytest.mark.slow
def test_no_panel_is_blank_and_no_alert_names_what_is_not_exported(program, server):
    """Each expression of the dashboard comes to a number, and everything that rules name is there."""
    _, redis = program
    blank = dict(EXPRESSIONS)
    ends = time.monotonic() + 60.0
    while blank and time.monotonic() < ends:
        # Who has copies of what was there is told that all of it is gone.
        redis.ask("FLUSHALL")
        blank = {name: each for name, each in blank.items() if not server.values(meant(each))}
        time.sleep(0.2)
    assert blank == {}
    named = set(NAME.findall(re.sub(r"#.*", "", RULES.read_text()))) | set(NAME.findall(json.dumps(DASHBOARD)))
    there = set(server.ask("label/__name__/values"))
    assert {name for name in named if not name.startswith("resilient:")} - there == set()
    assert {rule["health"] for group in server.ask("rules")["groups"] for rule in group["rules"]} <= {"ok", "unknown"}


@pytest.mark.slow
def test_all_that_is_exported_is_right_by_prometheus_own_tool(program):
    """Names, units, kinds and help of every metric, as they are scraped."""
    import httpx

    text = httpx.get(f"http://127.0.0.1:{program[0]}/metrics").text
    ours = "".join(line + "\n" for line in text.splitlines() if "resilient_" in line)
    promtool("check", "metrics", given=ours)

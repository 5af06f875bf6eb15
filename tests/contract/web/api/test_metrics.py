"""`/metrics`: the same from every process, right through deaths and losses, and not for everybody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client.parser import text_string_to_metric_families

from jobs.storage.access.api_keys import ApiKeys
from tests.support.assertions import follow
from tests.support.stack import Stack, running_stack, wait_for
from tests.support.wire import create, request

ROOT = Path(__file__).resolve().parents[4]
TOKEN = "a-token-for-metrics"
SHOWN = {"Authorization": f"Bearer {TOKEN}"}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(url: str, headers: dict[str, str] | None = None) -> Samples:
    """Every sample that a web process shows."""
    with request(url, "/metrics", headers=headers) as answer:
        text = answer.read().decode()
        assert answer.status == 200, text
    families = text_string_to_metric_families(text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def value(found: Samples, name: str, **labels: str) -> float:
    return found.get((f"penstock_{name}", frozenset(labels.items())), 0.0)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Penstock of two web processes that wants keys, to be broken."""
    settings = {"PENSTOCK_AUTH": "keys", "PENSTOCK_METRICS_TOKEN": TOKEN, "PENSTOCK_OPERATORS": "olga"}
    with running_stack(tmp_path_factory.mktemp("metrics") / "data", workers=0, **settings) as running:
        running.start_web()
        yield running


@pytest.fixture(scope="module")
def key(guarded: Stack) -> dict[str, str]:
    return {"Authorization": f"Bearer {ApiKeys(guarded.database).create('anna')}"}


def run(stack: Stack, key: dict[str, str], prompt: str) -> str:
    """The status of a job that has run."""
    job = create(stack.url, key, input=prompt)
    with stack.client(api_key=key["Authorization"].removeprefix("Bearer ")) as client:
        return str(follow(client, job["id"])[-1].response.status)


def test_jobs_are_counted_by_state_and_reason(penstock: Stack) -> None:
    before = samples(penstock.url)
    local = {"Authorization": "Bearer any"}
    assert run(penstock, local, "counted [[demo tokens=20]]") == "completed"
    assert run(penstock, local, "refused [[demo status=401]]") == "failed"
    assert run(penstock, local, "dropped once [[demo tokens=30 drop=5 fails=1]]") == "completed"

    def rise(name: str, **labels: str) -> float:
        return value(samples(penstock.url), name, **labels) - value(before, name, **labels)

    def wait_for_rise(name: str, least: float = 1, **labels: str) -> None:
        wait_for(lambda: rise(name, **labels) >= least)  # a process tells every two seconds what it has counted

    wait_for_rise("jobs_ended_total", status="failed", reason="server_error")
    wait_for_rise("jobs_accepted_total", 3)
    wait_for_rise("jobs_ended_total", status="completed", reason="")
    wait_for_rise("model_errors_total", server="default", kind="refused")
    wait_for_rise("model_errors_total", server="default", kind="broken")
    wait_for_rise("restarts_total", cause="model")
    wait_for_rise("tokens_total", 20, direction="output")
    for histogram in ("first_token", "queue_wait", "job", "publish_lag", "relay_lag", "http_request"):
        wait_for_rise(f"{histogram}_seconds_count")
    wait_for_rise("model_first_token_seconds_count", server="default")
    wait_for_rise("http_requests_total", 3, status="2xx")
    after = samples(penstock.url)
    assert value(after, "workers") == value(after, "database_up") == value(after, "redis_up") == 1
    assert value(after, "processes", kind="worker") == 1


def test_what_waits_and_runs_and_who_looks_on(penstock: Stack) -> None:
    slow = create(penstock.url, input="looked at [[demo tokens=400 rate=40]]")["id"]
    with request(penstock.url, f"/v1/responses/{slow}?stream=true") as stream:
        stream.read(1)
        wait_for(lambda: value(samples(penstock.url), "jobs", status="in_progress", queue="default") >= 1)
        wait_for(lambda: value(samples(penstock.url), "model_calls") >= 1)
        assert value(samples(penstock.url), "viewers") >= 1
        request(penstock.url, f"/v1/responses/{slow}/cancel", method="POST").close()
        stream.read()
    wait_for(lambda: value(samples(penstock.url), "viewers") == 0)


def test_a_cancel_before_the_start_is_counted_once(guarded: Stack, key: dict[str, str]) -> None:
    job = create(guarded.url, key, input="never begun")["id"]
    assert value(samples(guarded.url, SHOWN), "jobs", status="queued", queue="default") == 1
    wait_for(lambda: value(samples(guarded.url, SHOWN), "queue_oldest_seconds", queue="default") > 0)
    for _ in range(2):
        request(guarded.url, f"/v1/responses/{job}/cancel", method="POST", headers=key).close()
    assert value(samples(guarded.url, SHOWN), "jobs_ended_total", status="cancelled", reason="cancelled") == 1


def test_only_the_token_and_operators_may_read(guarded: Stack, key: dict[str, str]) -> None:
    operator = {"Authorization": f"Bearer {ApiKeys(guarded.database).create('olga')}"}
    refused = {"": 401, "Bearer nonsense": 401, "Bearer": 401, key["Authorization"]: 403}
    for shown, status in refused.items():
        with request(guarded.url, "/metrics", headers={"Authorization": shown}) as answer:
            assert answer.status == status, shown
    assert samples(guarded.url, operator)
    with request(guarded.url, "/v1/responses", headers=SHOWN) as answer:
        assert answer.status == 401  # the token opens nothing else


def test_every_process_says_the_same_and_deaths_take_nothing_back(guarded: Stack, key: dict[str, str]) -> None:
    worker = guarded.start_worker()

    def completed(url: str) -> float:
        return value(samples(url, SHOWN), "jobs_ended_total", status="completed", reason="")

    assert run(guarded, key, "one [[demo tokens=5]]") == "completed"
    wait_for(lambda: completed(guarded.url) == 1)
    assert [completed(url) for url in guarded.urls] == [1, 1]
    guarded.lose(worker)
    guarded.webs[0].kill()
    guarded.restart_web(0)
    guarded.start_worker()
    assert run(guarded, key, "two [[demo tokens=5]]") == "completed"
    wait_for(lambda: completed(guarded.url) == 2)
    assert [completed(url) for url in guarded.urls] == [2, 2]


def test_what_is_away_says_so_and_what_was_counted_comes_later(guarded: Stack, key: dict[str, str]) -> None:
    guarded.redis_server.kill()
    away = samples(guarded.url, SHOWN)
    assert value(away, "redis_up") == 0
    assert value(away, "database_up") == 1
    create(guarded.url, key, input="accepted without Redis [[demo tokens=1]]")
    guarded.redis_server.start()

    def back() -> bool:
        found = samples(guarded.url, SHOWN)
        errors = value(found, "redis_errors_total", process="web", kind="ConnectionError")
        return value(found, "redis_up") == 1 and errors > 0 and value(found, "jobs_accepted_total") >= 1

    wait_for(back)


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\bpenstock_\w+", expression))


def test_dashboard_and_rules_name_what_there_is(penstock: Stack) -> None:
    shown = {name for name, _ in samples(penstock.url)}
    with request(penstock.url, "/metrics") as answer:
        kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", answer.read().decode(), re.MULTILINE))
    histograms = {name for name, kind in kinds.items() if kind == "histogram"}
    there = shown | set(kinds) | {f"{name}{suffix}" for name in histograms for suffix in ("_bucket", "_count", "_sum")}
    dashboard = json.loads((ROOT / "ops/grafana/penstock.json").read_text())
    rules = [rule for group in rules_file()["groups"] for rule in group["rules"]]
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    scaled = yaml.safe_load_all((ROOT / "ops/kubernetes/scaling.yaml").read_text())
    expressions += [one["spec"]["triggers"][0]["metadata"]["query"] for one in scaled]
    named = set[str]().union(*map(names_in, [*expressions, *(rule["expr"] for rule in rules)]))
    assert len(named) > 25
    assert named <= there, named - there
    drawn = {re.sub(r"_(bucket|count|sum)$", "", name) for name in named}
    assert set(kinds) <= drawn, f"no panel shows {set(kinds) - drawn}"


def test_every_alert_has_its_paragraph() -> None:
    alerts = [rule["alert"] for group in rules_file()["groups"] for rule in group["rules"]]
    runbook = (ROOT / "ops/runbook.md").read_text().partition("## Alerts")[2].partition("\n## ")[0]
    assert re.findall(r"^\*\*(\w+)\.\*\*", runbook, re.MULTILINE) == alerts


def rules_file() -> dict[str, list[dict[str, list[dict[str, str]]]]]:
    loaded: dict[str, list[dict[str, list[dict[str, str]]]]] = yaml.safe_load(
        (ROOT / "ops/prometheus/rules.yml").read_text()
    )
    return loaded

"""What is said of settings that are wrong: where each is made, and what it has to be; and where settings come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.configuration.sources import CONFIG_FILE, config_file, line_of
from jobs.errors import BadSetting
from jobs.settings import Settings

TABLES = """\
# A comment.
concurrency = 3
[servers.a]
url = "http://a/v1"
models = ["a"]

[servers."b.c"]
url = "http://b/v1"
models = ["b"]
"""


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PENSTOCK_CONCURENCY", "3", "there is no such setting; did you mean PENSTOCK_CONCURRENCY?"),
        ("penstock_concurency", "3", "there is no such setting; did you mean PENSTOCK_CONCURRENCY?"),
        ("PENSTOCK_SECRETS_FILE", "x", "there is no such setting; did you mean PENSTOCK_SECRET?"),
        ("PENSTOCK_CONCURRENCY", "many", "must be a whole number, not 'many'"),
        ("PENSTOCK_CONCURRENCY", "0", "must be 1 or more, not '0'"),
        ("PENSTOCK_GAP_SECONDS", "0.01", "must be 0.1 or more, not '0.01'"),
        ("PENSTOCK_GAP_SECONDS", "inf", "must be 2678400 or less, not 'inf'"),
        ("PENSTOCK_WAIT_SECONDS", "nan", "must be 2678400 or less, not 'nan'"),
        ("PENSTOCK_DRAIN_SECONDS", "-1", "must be 0 or more, not '-1'"),
        ("PENSTOCK_RETENTION_DAYS", "inf", "must be 36500 or less, not 'inf'"),
        ("PENSTOCK_DEMO", "maybe", "must be true or false, not 'maybe'"),
        ("PENSTOCK_AUTH", "on", "must be 'off' or 'keys', not 'on'"),
        ("PENSTOCK_TIERS", "fast", "must be 'default' or 'flex', not 'fast'"),
        ("PENSTOCK_REDIS_CA", "/nowhere", "there is no such file: '/nowhere'"),
        ("PENSTOCK_METRICS_TOKEN", "short", "needs 16 characters or more, none of them white space"),
        ("PENSTOCK_OTLP_URL", "collector", "must be an address like http://host:8000/v1"),
        ("PENSTOCK_SERVERS", "{", "must be a table, written as JSON"),
        ("OPENAI_BASE_URL", "localhost:11434", "must be an address like http://host:8000/v1"),
        ("OPENAI_BASE_URL", "http://host:port/v1", "must be an address like http://host:8000/v1"),
        ("OPENAI_BASE_URL", "http://:8000/v1", "must be an address like http://host:8000/v1"),
    ],
)
def test_a_bad_variable_is_said_for_people(name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSetting) as refused:
        Settings.load()
    assert str(refused.value) == f"{name}: {words}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\nconcurrency = 0", f"{CONFIG_FILE}, line 2: concurrency: must be 1 or more, not 0"),
        ('log_levl = "info"', f"{CONFIG_FILE}, line 1: log_levl: there is no such setting; did you mean log_level?"),
        ("\npenstock_demo = 3", f"{CONFIG_FILE}, line 2: penstock_demo: there is no such setting; did you mean demo?"),
        ("PENSTOCK_DEMO = 3", f"{CONFIG_FILE}, line 1: PENSTOCK_DEMO: there is no such setting; did you mean demo?"),
        ("\nopenai_api_key = 3", f"{CONFIG_FILE}, line 2: openai_api_key: must be a text in quotation marks"),
        ("concurrency = true", f"{CONFIG_FILE}, line 1: concurrency: must not be true"),
        (f'{TABLES}key_variable = "NOT_SET"', f"{CONFIG_FILE}, line 7: [servers.b.c]: key_variable names NOT_SET, "),
        ("model = 3", f"{CONFIG_FILE}, line 1: model: must be a text in quotation marks"),
        ("[prices.m]\ninput = -1\noutput = 1", f"{CONFIG_FILE}, line 2: [prices.m] input: must be 0 or more, not -1"),
        ("[prices.m]\ninput = 1", f"{CONFIG_FILE}, line 1: [prices.m] output: is missing"),
        (f'{TABLES}fallbacks = ["x"]', f"{CONFIG_FILE}, line 10: [servers.b.c] fallbacks: no server has x: "),
        ("concurrency =\nmodel = 1", f"cannot read {CONFIG_FILE}: Invalid value (at line 1, "),
    ],
)
def test_a_fault_in_the_file_names_file_and_line(text: str, words: str) -> None:
    Path(CONFIG_FILE).write_text(text)
    with pytest.raises(BadSetting) as refused:
        Settings.load()
    assert words in str(refused.value)


def test_case_does_not_matter_for_words(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LOG_LEVEL": "INFO", "AUTH": "Keys", "LOG_FORMAT": "JSON"}.items():
        monkeypatch.setenv(f"PENSTOCK_{name}", value)
    settings = Settings.load()
    assert (settings.log_level, settings.auth, settings.log_format) == ("info", "keys", "json")


def test_a_variable_that_is_like_no_setting_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PENSTOCK_COFFEE", "3")
    Settings.load()
    assert caplog.messages == ["PENSTOCK_COFFEE: there is no such setting; take it away"]


@pytest.mark.parametrize(
    "name", ["WEB_SERVICE_HOST", "WEB_SERVICE_PORT_HTTP", "PORT", "WEB_PORT_8000_TCP", "WEB_PORT_8000_TCP_ADDR", "URL"]
)
def test_what_kubernetes_and_clients_set_is_no_setting(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"PENSTOCK_{name}", "tcp://10.0.0.1:8000")
    Settings.load()


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (["concurrency"], 2),
        (["servers"], 3),
        (["servers", "a", "models", "0"], 5),
        (["servers", "a", "preset"], 3),
        (["nothing"], None),
    ],
)
def test_lines_of_keys(names: list[str], line: int | None) -> None:
    assert line_of(TABLES, names) == line


def test_the_file_is_looked_for_here_then_beside_the_data_then_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "srv" / "data"
    data.mkdir(parents=True)
    for directory, number in {data: 1, data.parent: 2, Path(): 3}.items():
        (directory / CONFIG_FILE).write_text(f"concurrency = {number}")
        assert Settings.load(data=data).concurrency == number
        monkeypatch.setenv("PENSTOCK_DATA", str(data))
        assert Settings.load().concurrency == number
        monkeypatch.delenv("PENSTOCK_DATA")
    assert config_file({}, data) == Path(CONFIG_FILE)
    assert Settings.origins(data=data)["concurrency"].place("concurrency") == f"{CONFIG_FILE}, line 1"


def test_origins_are_those_that_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(CONFIG_FILE).write_text("concurrency = 3\nmodel = 'm'")
    (tmp_path / "key").write_text("sk-of-mine")
    monkeypatch.setenv("penstock_concurrency", "4")
    monkeypatch.setenv("OPENAI_API_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("PENSTOCK_PROMPTS", "")
    places = {name: origin.place(name) for name, origin in Settings.origins().items()}
    assert places["concurrency"] == "penstock_concurrency"
    assert places["model"] == f"{CONFIG_FILE}, line 2"
    assert places["openai_api_key"] == "OPENAI_API_KEY_FILE"
    assert "prompts" not in places

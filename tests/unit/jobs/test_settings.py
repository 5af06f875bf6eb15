"""Settings: several model servers in one file, what their presets add, and what is said of a bad one."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.configuration.sources import CONFIG_FILE
from jobs.configuration.tables import ModelServer, presets
from jobs.errors import BadSetting
from jobs.model_server import resolve_model
from jobs.secrets import Secrets
from jobs.settings import Settings, child_environment

SERVERS = """
[servers.deepseek]
preset = "deepseek"
models = ["deepseek-chat", "deepseek-reasoner"]
concurrency = 4
fallbacks = ["qwen3:8b", "whatever"]

[servers.home]
preset = "ollama"
url = "http://192.168.0.7:11434/v1/"
models = ["qwen3:8b"]
stream = false
"""


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory without a file of settings, and an environment with one key."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "DASHSCOPE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-secret")


def load(text: str, **overrides: object) -> Settings:
    Path(CONFIG_FILE).write_text(text)
    return Settings.load(**overrides)


def test_a_model_has_the_server_that_lists_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1/")
    settings = load(SERVERS)
    deepseek, home, other = map(settings.server_of, ("deepseek-reasoner", "qwen3:8b", "whatever"))
    assert (deepseek.url, deepseek.key, deepseek.stream) == ("https://api.deepseek.com/v1", "sk-secret", True)
    assert deepseek.fallbacks == ("qwen3:8b", "whatever")
    assert deepseek.refuses == {"json_schema"}
    assert (home.url, home.key, home.stream, home.fallbacks) == ("http://192.168.0.7:11434/v1", "none", False, ())
    assert (other.url, other.key, other.refuses) == ("http://127.0.0.1:9/v1", "none", frozenset())
    assert [settings.limit_of(name) for name in ("deepseek-chat", "qwen3:8b", "whatever")] == [4, None, None]
    assert settings.models == ()
    assert "sk-secret" not in repr(settings)


def test_servers_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_SERVERS", '{"a": {"url": "http://a/v1", "key_variable": "A", "models": ["m"]}}')
    monkeypatch.setenv("A", "the key")
    assert Settings.load().server_of("m").key == "the key"


def test_without_a_default_server_the_listed_models_are_all_there_are() -> None:
    settings = load(SERVERS.replace(', "whatever"', ""))
    assert settings.models == ("deepseek-chat", "deepseek-reasoner", "qwen3:8b")
    assert resolve_model(settings) == "deepseek-chat"
    assert load(f'models = ["qwen3:8b"]\n{SERVERS.replace("whatever", "qwen3:8b")}').models == ("qwen3:8b",)


def test_a_demo_asks_no_other_server() -> None:
    settings = load(SERVERS, demo=True, openai_base_url="http://127.0.0.1:9/v1")
    assert settings.server_of("deepseek-chat").url == "http://127.0.0.1:9/v1"
    assert settings.models == ()


def test_the_default_server_may_be_one_that_does_not_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.load().server_of("gpt-5").stream
    monkeypatch.setenv("PENSTOCK_STREAM", "false")
    assert not Settings.load().server_of("gpt-5").stream


def test_the_default_server_is_known_by_its_address() -> None:
    openai = Settings.load(openai_api_key="k").server_of("gpt-5")
    assert (openai.url, openai.key) == ("https://api.openai.com/v1", "k")
    assert openai.refuses == {"max_tokens"}
    assert Settings.load(openai_base_url="https://api.deepseek.com/v1").server_of("x").refuses == {"json_schema"}


@pytest.mark.parametrize("name", presets())
def test_a_preset_needs_nothing_but_models_and_its_key(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = ModelServer.model_validate({"preset": name, "key": "k", "models": ("m",)})
    if known.key_variable:
        monkeypatch.setenv(known.key_variable, "from there")
    server = load(f'[servers.it]\npreset = "{name}"\nmodels = ["m"]').server_of("m")
    assert server.key == ("from there" if known.key_variable else "none")
    assert server.url == known.url


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('preset = "depseek"\nmodels = ["m"]', "[servers.it]: preset must be one of openai, deepseek, qwen, "),
        ('models = ["m"]', "[servers.it]: preset must be one of openai, deepseek, qwen, "),
        ('preset = "qwen"\nmodels = ["m"]', "[servers.it]: key_variable names DASHSCOPE_API_KEY, which is not set: "),
        ('preset = "ollama"\nmodels = ["m"]\nfallbacks = ["n"]', "[servers.it] fallbacks: no server has n: list it "),
        ('preset = "ollama"\nmodels = ["twin"]', "[servers.it] models: [servers.first] has twin, too: "),
        ('preset = "ollama"', "[servers.it] models: is missing"),
        ('preset = "ollama"\nmodels = []', "[servers.it] models: "),
        ('preset = "ollama"\nmodels = ["m"]\nconcurrency = 0', "[servers.it] concurrency: "),
        ('preset = "ollama"\nmodels = ["m"]\nurl = "localhost"', "[servers.it] url: "),
        ('preset = "ollama"\nmodels = ["m"]\nbase_url = "x"', "[servers.it] base_url: there is no such key"),
        ('preset = "ollama"\nmodels = ["m"]\nrefuses = ["all"]', "[servers.it] refuses: "),
        ("[servers]\nwrong = 3", "[servers.wrong]: "),
        ("[data]\nx = 1", "penstock.toml, line 1: data: "),
    ],
)
def test_a_bad_table_is_said_in_one_line(table: str, words: str) -> None:
    first = '[servers.first]\npreset = "ollama"\nmodels = ["twin"]\n'
    with pytest.raises(BadSetting) as refused:
        load(table if table.startswith("[") else f"{first}[servers.it]\n{table}")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "Value error" not in str(refused.value)


# -- values in files -----------------------------------------------------------------------------------------------


def test_a_variable_may_name_a_file_that_holds_the_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, text in {
        "PENSTOCK_REDIS_PASSWORD_FILE": "p@ss/word\n",
        "PENSTOCK_DATABASE_PASSWORD_FILE": "other",
        "OPENAI_API_KEY_FILE": " sk-from-a-file\n",
        "MY_KEY_FILE": "sk-of-a-server\n",
        "PENSTOCK_MODELS_FILE": "a, b",
    }.items():
        (tmp_path / variable).write_text(text)
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setenv("PENSTOCK_REDIS_URL", "redis://redis:6379/0")
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", "postgresql+psycopg://penstock@db/penstock")
    settings = load('[servers.a]\nurl = "http://a/v1"\nmodels = ["a"]\nkey_variable = "MY_KEY"\n')
    assert settings.redis_url == "redis://:p%40ss%2Fword@redis:6379/0"
    assert settings.database == "postgresql+psycopg://penstock:other@db/penstock"
    assert (settings.openai_api_key, settings.server_of("a").key) == ("sk-from-a-file", "sk-of-a-server")
    assert settings.models == ("a", "b")
    assert "other" not in Secrets(settings).removed_from("the password is other")


def test_a_password_of_its_own_is_put_into_a_url_that_has_none() -> None:
    urls = {
        "redis://redis": "redis://:pw@redis",
        "rediss://user@redis:1/0": "rediss://user:pw@redis:1/0",
        "redis://:own@redis": "redis://:own@redis",
        "unix:///run/redis.sock": "unix://:pw@/run/redis.sock",
    }
    for url, whole in urls.items():
        assert Settings.load(redis_url=url, redis_password="pw").redis_url == whole
    with pytest.raises(BadSetting, match="PENSTOCK_REDIS_PASSWORD is set, and PENSTOCK_REDIS_URL is not"):
        Settings.load(redis_password="pw")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PENSTOCK_SECRET": "a", "PENSTOCK_SECRET_FILE": "full"}, "PENSTOCK_SECRET and PENSTOCK_SECRET_FILE are both"),
        ({"PENSTOCK_SECRET_FILE": "nowhere"}, "PENSTOCK_SECRET_FILE: cannot read nowhere: No such file or directory"),
        ({"PENSTOCK_SECRET_FILE": "empty"}, "PENSTOCK_SECRET_FILE: empty is empty"),
    ],
)
def test_a_file_that_gives_no_value_is_named(
    variables: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("full").write_text("something")
    Path("empty").write_text("\n")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadSetting, match=words):
        Settings.load()


def test_a_process_of_ours_gets_one_value_where_the_environment_names_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_REDIS_URL_FILE", "/run/secrets/redis_url")
    monkeypatch.setenv("PENSTOCK_HEARTBEAT_FILE", "/run/heartbeat")
    child = child_environment(PENSTOCK_REDIS_URL="unix:///run/redis.sock")
    assert "PENSTOCK_REDIS_URL_FILE" not in child
    assert child["PENSTOCK_HEARTBEAT_FILE"] == "/run/heartbeat"


def test_connections_to_the_database_grow_with_the_jobs_at_once() -> None:
    assert [Settings.load(concurrency=jobs).connections for jobs in (1, 100, 500)] == [5, 15, 55]
    assert Settings.load(concurrency=500, database_connections=20).connections == 20

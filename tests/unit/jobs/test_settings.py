"""Settings: several model servers in one file, what their presets add, and what is said of a bad one."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.errors import BadSetting
from jobs.model_server import resolve_model
from jobs.settings import CONFIG_FILE, ModelServer, Settings, _presets

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


@pytest.mark.parametrize("name", _presets())
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
        ('preset = "ollama"', "[servers.it] models: Field required"),
        ('preset = "ollama"\nmodels = []', "[servers.it] models: "),
        ('preset = "ollama"\nmodels = ["m"]\nconcurrency = 0', "[servers.it] concurrency: "),
        ('preset = "ollama"\nmodels = ["m"]\nurl = "localhost"', "[servers.it] url: "),
        ('preset = "ollama"\nmodels = ["m"]\nbase_url = "x"', "[servers.it] base_url: Extra inputs"),
        ('preset = "ollama"\nmodels = ["m"]\nrefuses = ["all"]', "[servers.it] refuses: "),
        ("[servers]\nwrong = 3", "[servers.wrong]: "),
        ("[data]\nx = 1", "PENSTOCK_DATA: "),
    ],
)
def test_a_bad_table_is_said_in_one_line(table: str, words: str) -> None:
    first = '[servers.first]\npreset = "ollama"\nmodels = ["twin"]\n'
    with pytest.raises(BadSetting) as refused:
        load(table if table.startswith("[") else f"{first}[servers.it]\n{table}")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "Value error" not in str(refused.value)

"""Every setting of Penstock: read once at process start, validated, frozen, and passed in from there.

The only module that may look at the process environment.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.types import FilePath
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)
from pydantic_settings import PydanticBaseSettingsSource as Source

from jobs.configuration.faults import check_variables, described
from jobs.configuration.sources import Origin, config_file, origins_of, url_with_password, values_from_files
from jobs.configuration.tables import ModelServer, Price, presets
from jobs.configuration.types import (
    Feature,
    Limit,
    Names,
    Seconds,
    SecondsOrNone,
    Tier,
    Token,
    Url,
    UrlOrNone,
    comma_separated,
    in_lower_case,
)
from jobs.errors import BadSetting
from jobs.limits import LIMIT_NAMES, OwnerLimits
from jobs.redis_url import BrokerLocation, RedisLocation

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def is_local(url: str) -> bool:
    """Whether a URL is of this machine; no proxy is asked for it then."""
    return urlsplit(url).hostname in LOOPBACK


class Settings(BaseSettings):
    """`PENSTOCK_<NAME>` in the environment, else `<name>` in `penstock.toml`, else the default below.

    `PENSTOCK_<NAME>_FILE` names a file that holds the value. What each means is said in `configuration/meanings.toml`.
    """

    model_config = SettingsConfigDict(env_prefix="PENSTOCK_", frozen=True, extra="forbid", env_ignore_empty=True)

    data: Path = Path(".penstock")
    redis_url: RedisLocation = "redis://127.0.0.1:6379/0"
    redis_password: str = Field("", repr=False)
    redis_without_password: bool = False
    redis_ca: FilePath | None = None
    broker_url: BrokerLocation = ""
    database_url: str = ""
    database_password: str = Field("", repr=False)
    auth: Annotated[Literal["off", "keys"], BeforeValidator(in_lower_case)] = "off"
    operators: Names = ()
    secret: str = Field("", repr=False)
    metrics_token: Token = Field("", repr=False)
    trusted_proxies: int = Field(0, ge=0, le=8)
    secure_cookies: bool = False

    openai_api_key: str = Field("", validation_alias=AliasChoices("OPENAI_API_KEY", "openai_api_key"), repr=False)
    openai_base_url: Url = Field(
        "https://api.openai.com/v1", validation_alias=AliasChoices("OPENAI_BASE_URL", "openai_base_url")
    )
    stream: bool = True
    refuses: Annotated[frozenset[Feature], NoDecode, BeforeValidator(comma_separated)] = frozenset()
    fallbacks: Names = ()
    model_concurrency: int | None = Field(None, ge=1)
    servers: dict[str, ModelServer] = {}
    model: str = ""
    models: Names = ()
    prices: dict[str, Price] = {}
    prompts: Path | None = None
    demo: bool = False
    worker_id: str = Field("", max_length=64)
    heartbeat_file: Path | None = None

    tiers: Annotated[tuple[Tier, ...], NoDecode, BeforeValidator(comma_separated), Field(min_length=1)] = (
        "default",
        "flex",
    )
    database_connections: int = Field(0, ge=0, le=1000)
    concurrency: int = Field(100, ge=1, le=1000)
    section_concurrency: int = Field(8, ge=1, le=64)
    lease_seconds: Seconds = 15
    max_attempts: int = Field(3, ge=0)
    model_retries: int = Field(2, ge=0, le=20)
    drain_seconds: SecondsOrNone = 20
    retention_days: float = Field(0, ge=0, le=36_500)
    plan_days: float = Field(14, ge=0, le=36_500)
    first_token_seconds: Seconds = 300
    gap_seconds: Seconds = 60
    keepalive_seconds: Seconds = 600
    wait_seconds: SecondsOrNone = 600
    restart_seconds: SecondsOrNone = 75
    total_seconds: Seconds = 3 * 3600
    max_request_bytes: int = Field(2_000_000, ge=1024)
    max_image_bytes: int = Field(5_000_000, ge=0)
    max_source_bytes: int = Field(20_000_000, ge=0)
    max_batch_bytes: int = Field(200_000_000, ge=0)
    max_batch_lines: int = Field(50_000, ge=1)
    max_kept_bytes: int = Field(2_000_000_000, ge=0)
    limit_jobs_queued: Limit = 0
    limit_jobs_running: Limit = 0
    limit_requests_a_minute: Limit = 0
    limit_open_streams: Limit = 0
    limit_answer_characters: Limit = 2_000_000
    limit_tokens_a_day: Limit = 0
    request_seconds: Seconds = 10
    waiting_requests: int = Field(200, ge=1)
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(in_lower_case)] = "info"
    log_format: Annotated[Literal["text", "json"], BeforeValidator(in_lower_case)] = "text"
    otlp_url: UrlOrNone = ""
    langsmith: bool = False
    log_bytes: int = Field(20_000_000, ge=10_000)
    webhook_allow_private: bool = False
    flask_debug: bool = Field(default=False, validation_alias=AliasChoices("FLASK_DEBUG", "flask_debug"))

    @field_validator("*", mode="before")
    @classmethod
    def _counts_no_truth_values(cls, value: Any, field: ValidationInfo) -> Any:
        """`concurrency = true` in a file would be 1."""
        if isinstance(value, bool) and cls.model_fields[str(field.field_name)].annotation is not bool:
            raise ValueError(f"must not be {str(value).lower()}")
        return value

    @model_validator(mode="after")
    def _servers_agree(self) -> Self:
        homes: dict[str, str] = {}
        for name, server in self.servers.items():
            for model in server.models:
                if (home := homes.setdefault(model, name)) != name:
                    raise ValueError(f"[servers.{name}] models: [servers.{home}] has {model}, too: drop it from one")
        for name, server in self.servers.items():
            for model in server.fallbacks:
                if model not in homes and not self.names_a_model_server:
                    remedy = "list it in a server's models, or set OPENAI_BASE_URL"
                    raise ValueError(f"[servers.{name}] fallbacks: no server has {model}: {remedy}")
        return self

    @classmethod
    def settings_customise_sources(  # type: ignore[override]
        cls, settings_cls: type[BaseSettings], init_settings: Source, env_settings: Source, **_: Source
    ) -> tuple[Source, ...]:
        """Arguments beat the environment, the environment beats the file. Raises BadSetting."""
        assert isinstance(env_settings, EnvSettingsSource)
        assert issubclass(settings_cls, Settings)
        variables = settings_cls.variables()
        in_files = {variables[name].lower(): value for name, value in values_from_files(variables, os.environ).items()}
        env_settings.env_vars = {**env_settings.env_vars, **in_files}
        file = config_file(os.environ, init_settings().get("data"))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file)

    @classmethod
    def variables(cls) -> dict[str, str]:
        """The environment's variable of each setting, by the name of its field."""
        return {name: _variable(name) for name in cls.model_fields}

    @classmethod
    def origins(cls, **overrides: Any) -> dict[str, Origin]:
        """Where each setting is made that has not its default, by the name of its field."""
        return origins_of(cls.variables(), os.environ, config_file(os.environ, overrides.get("data")))

    @property
    def database(self) -> str:
        """SQLAlchemy's URL of the database: SQLite in the data directory unless one is named."""
        return self.database_url or f"sqlite:///{self.data.absolute() / 'penstock.db'}"

    @property
    def connections(self) -> int:
        """How many connections a process may have to the database at once."""
        return self.database_connections or 5 + self.concurrency // 10

    @property
    def names_a_model_server(self) -> bool:
        """Whether the default model server is one that the person named."""
        return bool(self.openai_api_key) or "openai_base_url" in self.model_fields_set

    @property
    def listed(self) -> tuple[str, ...]:
        """The models of the named servers."""
        return tuple(model for server in self.servers.values() for model in server.models)

    def server_of(self, model: str) -> ModelServer:
        """The server of a model: the one that lists it, else the default one."""
        if named := next((server for server in self.servers.values() if model in server.models), None):
            return named
        url = self.openai_base_url
        key = self.openai_api_key or "none"
        preset = next((name for name, known in presets().items() if known["url"] == url), None)
        known = presets()[preset].get("refuses", ()) if preset else ()
        return ModelServer(
            url=url,
            key=key,
            models=(model,),
            stream=self.stream,
            refuses=self.refuses.union(known),
            fallbacks=self.fallbacks,
            concurrency=self.model_concurrency,
        )

    @property
    def owner_limits(self) -> OwnerLimits:
        """What an owner may have who has no limits of their own."""
        return OwnerLimits(**{name: getattr(self, f"limit_{name}") for name in LIMIT_NAMES})

    def limit_of(self, model: str) -> int | None:
        """How many jobs of a model may run at once, over all workers; None for any number."""
        return self.server_of(model).concurrency

    @classmethod
    def load(cls, **overrides: Any) -> Settings:
        """Read the settings once.

        Raises BadSetting, one line that names each bad setting, where it is made, and what is wrong with it.
        """
        settings = cls._read(**overrides)
        origin = cls.origins(**overrides).get("servers", Origin())
        servers = {
            name: server.with_key(f"{origin.place('servers', name)}: [servers.{name}]", os.environ)
            for name, server in settings.servers.items()
        }
        settings = settings.model_copy(update={"servers": servers})
        for name in ("redis", "database"):
            if password := getattr(settings, f"{name}_password"):
                if f"{name}_url" not in settings.model_fields_set:
                    raise BadSetting(f"{_variable(f'{name}_password')} is set, and {_variable(f'{name}_url')} is not")
                url = url_with_password(getattr(settings, f"{name}_url"), password)
                settings = settings.model_copy(update={f"{name}_url": url})
        if settings.demo:  # whatever server is set
            return settings.model_copy(update={"servers": {}})
        if settings.models or settings.names_a_model_server:
            return settings
        return settings.model_copy(update={"models": settings.listed})

    @classmethod
    def _read(cls, **overrides: Any) -> Settings:
        check_variables(cls.variables().values(), os.environ)
        try:
            return cls(**overrides)
        except ValidationError as error:
            raise BadSetting(described(error, cls.origins(**overrides), cls.model_fields)) from error
        except SettingsError as error:
            name = str(error).split('"')[1]  # of a table in the environment: nothing else is parsed there
            raise BadSetting(f"{_variable(name)}: must be a table, written as JSON") from error
        except (OSError, ValueError) as error:
            words = "it is no text in UTF-8" if isinstance(error, UnicodeDecodeError) else error
            raise BadSetting(f"cannot read {config_file(os.environ, overrides.get('data'))}: {words}") from error


def _variable(name: str) -> str:
    """The environment's variable of a field."""
    field = Settings.model_fields[name]
    return name.upper() if isinstance(field.validation_alias, AliasChoices) else f"PENSTOCK_{name.upper()}"


def child_environment(**changes: str) -> dict[str, str]:
    """The environment for a process that `up` starts: this one's, with the given variables set."""
    others = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in changes}
    return {**others, **changes}

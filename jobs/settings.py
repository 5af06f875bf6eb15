"""Every setting of Penstock: read once at process start, validated, frozen, and passed in from there.

The only module that may look at the process environment.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError, TomlConfigSettingsSource
from pydantic_settings import PydanticBaseSettingsSource as Source

from jobs.errors import BadSetting

CONFIG_FILE = "penstock.toml"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

Seconds = Annotated[float, Field(gt=0)]


class Settings(BaseSettings):
    """`PENSTOCK_<NAME>` in the environment, else `<name>` in `penstock.toml`, else the default below."""

    model_config = SettingsConfigDict(
        env_prefix="PENSTOCK_", toml_file=CONFIG_FILE, frozen=True, extra="forbid", env_ignore_empty=True
    )

    data: Path = Path(".penstock")
    redis_url: Annotated[str, Field(pattern=r"^(rediss?|unix)://")] = "redis://127.0.0.1:6379/0"
    database_url: str = ""
    auth: Literal["off", "keys"] = "off"
    secret: str = Field("", repr=False)
    secure_cookies: bool = False

    openai_api_key: str = Field("", validation_alias=AliasChoices("OPENAI_API_KEY", "openai_api_key"), repr=False)
    openai_base_url: Annotated[str, AfterValidator(lambda url: url.rstrip("/"))] = Field(
        "https://api.openai.com/v1",
        validation_alias=AliasChoices("OPENAI_BASE_URL", "openai_base_url"),
        pattern=r"^https?://[^/\s]+",
    )
    model: str = ""
    models: Annotated[tuple[str, ...], NoDecode] = ()
    prompts: Path | None = None
    demo: bool = False
    worker_id: str = ""

    concurrency: int = Field(100, ge=1, le=1000)
    section_concurrency: int = Field(8, ge=1, le=64)
    lease_seconds: Seconds = 15
    max_attempts: int = Field(3, ge=0)
    model_retries: int = Field(2, ge=0, le=20)
    drain_seconds: float = Field(20, ge=0)
    retention_days: float = Field(0, ge=0)

    first_token_seconds: Seconds = 300
    gap_seconds: Seconds = 60
    total_seconds: Seconds = 3 * 3600
    max_request_bytes: int = Field(2_000_000, ge=1024)
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("models", mode="before")
    @classmethod
    def _comma_separated(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @classmethod
    def settings_customise_sources(  # type: ignore[override]
        cls, settings_cls: type[BaseSettings], init_settings: Source, env_settings: Source, **_: Source
    ) -> tuple[Source, ...]:
        """Arguments beat the environment, the environment beats the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def database(self) -> str:
        """SQLAlchemy's URL of the database: SQLite in the data directory unless one is named."""
        return self.database_url or f"sqlite:///{self.data.absolute() / 'penstock.db'}"

    @property
    def model_is_local(self) -> bool:
        """Whether the model server runs on this machine; no proxy is asked for it then."""
        return urlsplit(self.openai_base_url).hostname in LOOPBACK

    @property
    def names_a_model_server(self) -> bool:
        """Whether the person named a model server of their own; without one, `up` starts the demo model."""
        return bool(self.openai_api_key) or "openai_base_url" in self.model_fields_set

    @classmethod
    def load(cls, **overrides: Any) -> Settings:
        """Read the settings once.

        Raises BadSetting, one line that names each bad setting and what is wrong with it.
        """
        try:
            return cls(**overrides)
        except ValidationError as error:
            lines = [f"{_variable(problem['loc'])}: {problem['msg']}" for problem in error.errors()]
            raise BadSetting("; ".join(lines)) from error
        except (SettingsError, OSError, ValueError) as error:
            raise BadSetting(f"cannot read the settings: {error}") from error


def _variable(location: tuple[int | str, ...]) -> str:
    name = str(location[0]) if location else CONFIG_FILE
    return name if name.isupper() else f"PENSTOCK_{name.upper()}"


def child_environment(**changes: str) -> dict[str, str]:
    """The environment for a process that `up` starts: this one's, with the given variables set."""
    return {**os.environ, **changes}

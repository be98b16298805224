"""All settings, in one class, from the environment and a `.env` file; nothing reads them at import."""

import os
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote, unquote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import URL

from ingest.stores.retention import DAY_MS, Retention
from registry.database import resolve_url

Language = Literal["zh", "en"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "json", "text"]
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


class Settings(BaseSettings):
    """What a process is told from outside; every field is `LIANDONG_` plus its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="LIANDONG_", env_file=".env", extra="ignore")

    data_dir: Path = Path("./var")
    mqtt_url: str = "embedded://127.0.0.1:1883"
    mqtt_ca_file: Path | None = None
    """Certificate of the authority that vouches for the broker, for mqtts://. Unset: those this machine trusts."""
    broker_dir: Path | None = None
    """Where the files that a broker reads are written. Unset: `broker` in the data directory."""
    broker_pid_file: Path | None = None
    """Names the Mosquitto on this machine that is told when its files changed."""
    telemetry_url: str = "duckdb:"
    influx_token: SecretStr = SecretStr("")
    database_url: SecretStr = SecretStr("sqlite:")
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8000, ge=0, le=65535)
    public_url: str = ""
    """Under which address residents reach the pages, for the codes that are printed. Unset: as the one who prints."""
    language: Language = "zh"
    log_level: LogLevel = "info"
    log_format: LogFormat = "auto"
    """`auto` is text on a terminal and JSON elsewhere."""
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Where `liandong ingest` tells its measures; the web server tells its own at /metrics."""
    limits_file: Path | None = None
    """A TOML file with values for `alerts.limits.Limits` that replace the defaults."""
    mapping_file: Path | None = None
    """A TOML file with rules for topics that are none of the contract's; it is followed while the ingest runs."""
    sparkplug_rebirth: bool = False
    """Whether a Sparkplug node whose births we lack, or that left numbers out, is asked to tell them again."""
    home_assistant: bool = False
    """Whether each unit's alarms are announced to Home Assistant (MQTT discovery)."""
    register_unknown_sites: bool | None = None
    """Whether a message of an unknown site registers it. Unset: only on SQLite, the embedded default."""
    mqtt_client_id: str = "liandong-ingest"
    """Names the persistent session at the broker; each ingest worker needs its own."""
    ingest_lane: str = "1/1"
    """Which of how many ingest workers on one broker this is; a site belongs to one of them."""
    site_messages_per_s: float = Field(default=100.0, gt=0)
    """What one site may send before people are told of it: ten times a large compound's share."""
    raw_days: int = Field(default=90, ge=0)
    """How long single values are kept; 0 is for ever."""
    minute_days: int = Field(default=730, ge=0)
    """How long minutes (mean, least, greatest, count) are kept; 0 is for ever."""
    hour_days: int = Field(default=0, ge=0)
    """How long hours are kept; 0 is for ever."""
    outbox_max_bytes: int = Field(default=2 * 1024**3, ge=1024)
    """What may wait for the telemetry store; when it is full the broker keeps what comes."""
    quarantine_days: int = Field(default=90, ge=0)
    """How long messages that could not be taken are kept; 0 is for ever."""
    detector_fit_rows: int = Field(default=400, ge=50)
    alarm_budget_per_unit_month: float = Field(default=0.08, gt=0)
    """False alarms of the detectors that are accepted of one unit in a month; 0.08 is about one a year."""
    channel_key: SecretStr = SecretStr("")
    """Encrypts the addresses of people's channels. Unset: a key in the data directory; two servers need one key."""
    train_days: float = Field(default=14.0, gt=0)
    """History that is wanted of a unit before a model of it is fitted."""
    train_every_days: float = Field(default=28.0, ge=0)
    """How old a unit's newest model may be before the ingest fits another; 0: only `liandong train` does."""
    train_dask: str = ""
    """Address of a Dask cluster (tcp://host:8786) that models are fitted on; unset: on this machine."""

    @classmethod
    def load(cls, **told: Any) -> Self:
        """Settings from the environment, from files in LIANDONG_SECRETS_DIR (`liandong_influx_token` …), and `told`.

        Raises pydantic.ValidationError.
        """
        return cls(_secrets_dir=os.environ.get("LIANDONG_SECRETS_DIR"), **told)

    @field_validator("data_dir")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        return value.expanduser()

    @property
    def resolved_database_url(self) -> URL:
        return resolve_url(self.database_url.get_secret_value(), data_dir=self.data_dir)

    @property
    def registers_unknown_sites(self) -> bool:
        if self.register_unknown_sites is not None:
            return self.register_unknown_sites
        return self.resolved_database_url.get_backend_name() == "sqlite"

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        _ = self.retention
        return self

    @property
    def retention(self) -> Retention:
        ages = {"raw_ms": self.raw_days, "minute_ms": self.minute_days, "hour_ms": self.hour_days}
        return Retention(**{name: days * DAY_MS or None for name, days in ages.items()})

    @property
    def broker_url(self) -> str:
        """`mqtt_url` with the authority that vouches for the broker."""
        if self.mqtt_ca_file is None or not self.mqtt_url.startswith("mqtts:") or "?" in self.mqtt_url:
            return self.mqtt_url
        return f"{self.mqtt_url}?ca={quote(str(self.mqtt_ca_file.expanduser()))}"

    def secrets(self) -> list[str]:
        """What must stand in no log line."""
        password = self.resolved_database_url.password
        broker = urlsplit(self.mqtt_url).password or ""
        found = [
            self.influx_token.get_secret_value(),
            self.channel_key.get_secret_value(),
            str(password or ""),
            broker,
            unquote(broker),
        ]
        return [secret for secret in found if secret]

    @property
    def resolved_broker_dir(self) -> Path:
        return (self.broker_dir or self.data_dir / "broker").expanduser()

    @property
    def authority_dir(self) -> Path:
        """The key that vouches for the broker; apart from what the broker itself may read."""
        return self.data_dir / "authority"

    @property
    def has_embedded_broker(self) -> bool:
        return self.mqtt_url.startswith(("embedded:", "embedded+tls:"))

    @property
    def is_loopback(self) -> bool:
        return self.http_host in LOOPBACK_HOSTS

"""Options that many commands share, and the settings with what the command line says instead."""

from pathlib import Path
from typing import Annotated

import typer

from api.settings import Settings
from ingest.broker import read_embedded_url

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where everything is kept. [LIANDONG_DATA_DIR]")]


def told_settings(
    *,
    data_dir: Path | None = None,
    http_host: str | None = None,
    http_port: int | None = None,
    mqtt_port: int | None = None,
) -> Settings:
    """Settings from the environment, with what the command line says instead."""
    told: dict[str, object] = {}
    if data_dir is not None:
        told["data_dir"] = data_dir
    if http_host is not None:
        told["http_host"] = http_host
    if http_port is not None:
        told["http_port"] = http_port
    settings = Settings.load(**told)
    if mqtt_port is None:
        return settings
    if not settings.has_embedded_broker:
        raise typer.BadParameter("--mqtt-port is for the embedded broker; LIANDONG_MQTT_URL names another")
    address = read_embedded_url(settings.mqtt_url)
    scheme = settings.mqtt_url.partition(":")[0]
    return settings.model_copy(update={"mqtt_url": f"{scheme}://{address.host}:{mqtt_port}"})

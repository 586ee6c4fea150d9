"""What can be set in lens.toml, in the environment and on the command line: one model per section."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from lightninglens.app.origins import exact_origin
from lightninglens.core.units import MAX_MONEY_SAT

MAX_SEED = 2**63 - 1
MAX_CHANNEL_SAT = 1_000_000_000


def _loopback(host: str) -> str:
    if host == "localhost":
        return host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise ValueError("must be localhost, 127.0.0.1 or ::1") from None
    if not address.is_loopback:
        raise ValueError(
            "must be a loopback address (127.0.0.1, ::1 or localhost); to reach it from elsewhere use an SSH tunnel"
            " or a reverse proxy with TLS"
        )
    return host


Host = Annotated[str, AfterValidator(_loopback)]
Port = Annotated[int, Field(ge=1, le=65535)]
Origin = Annotated[str, AfterValidator(exact_origin)]
FilePath = Annotated[Path, AfterValidator(Path.expanduser)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _webhook(url: str) -> str:
    try:
        address = urlsplit(url)
        port = address.port
    except ValueError as problem:
        raise ValueError(f"is not an address: {problem}") from None
    if address.scheme not in {"http", "https"} or not address.hostname or port == 0:
        raise ValueError("must be an address like https://example.org/hook")
    if address.scheme == "http":
        try:
            _loopback(address.hostname)
        except ValueError:
            raise ValueError("must begin with https:// unless it is on this machine") from None
    return url


class Section(BaseModel):
    """Base of all sections: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ServiceSettings(Section):
    """The web service: dashboard, REST and WebSocket."""

    host: Host = Field(default="127.0.0.1", description="Address to listen on; loopback only.")
    port: Port = Field(default=3000, description="Port of dashboard, API and metrics.")
    token_file: FilePath | None = Field(
        default=None,
        description="File with the token that changes of state need, mode 0600."
        " Without it a token is kept in the data directory.",
    )
    allowed_origins: tuple[Origin, ...] = Field(
        default=(),
        max_length=20,
        description="Exact origins of other web servers whose pages may use this service, such as"
        ' `["https://lens.example"]`: a dashboard served elsewhere.',
    )
    classic_ports: bool = Field(
        default=False,
        description="Whether the source documents' services answer on their ports too:"
        " 3000, 3003, 5000, 5001, 8000, 8001, 8766, 8767 and 8768.",
    )


class FeedSettings(Section):
    """The raw WebSocket feed that models connect to."""

    host: Host = Field(default="127.0.0.1", description="Address to listen on; loopback only.")
    port: Port = Field(default=6789, description="Port of the feed.")
    min_confidence: float = Field(
        default=0.5, ge=0, le=1, allow_inf_nan=False, description="Suggestions below this confidence are refused."
    )
    budget_sat_per_day: int = Field(
        default=10_000,
        ge=0,
        le=MAX_MONEY_SAT,
        description="Most that suggested rebalances may cost in fees per day, in sat.",
    )
    max_clients: int = Field(default=64, ge=1, le=10_000, description="Clients that may be connected at once.")


class LabSettings(Section):
    """The five-node lab."""

    topology: Literal["built", "drawn"] = Field(
        default="built", description="`built`: seven channels; `drawn`: the source document's drawing."
    )
    opening: Literal["opener", "balanced"] = Field(
        default="opener", description="Who holds a new channel's money: its opener, or both sides half."
    )
    capacity_sat: int = Field(
        default=1_000_000, ge=20_000, le=MAX_CHANNEL_SAT, description="Capacity of each channel, in sat."
    )
    speed: float = Field(
        default=1.0, gt=0, le=10_000, allow_inf_nan=False, description="Simulated seconds per real second."
    )
    seed: int = Field(default=1, ge=0, le=MAX_SEED, description="The same seed gives the same payments.")
    duration_s: Seconds = Field(default=0, description="Simulated seconds to run; 0 is for ever.")
    demand: Literal["roles", "settlements", "uniform"] = Field(
        default="roles",
        description="`roles`: nodes with habits; `settlements`: large payments whose money comes back;"
        " `uniform`: 500 to 3000 sat between any two.",
    )
    baseline_rebalance_s: Seconds = Field(
        default=0, description="Simulated seconds between baseline rebalances; 0 turns them off."
    )
    snapshot_s: Seconds = Field(
        default=300, description="Simulated seconds between snapshots of all channels; 0 turns them off."
    )
    statistics_every_payments: int = Field(
        default=10, ge=0, description="Payments between two lines of statistics on the terminal; 0 turns them off."
    )


class LearningSettings(Section):
    """The learner, and what it may do by itself."""

    enabled: bool = Field(default=True, description="Learn, predict and suggest while the lab runs.")
    model: str | None = Field(
        default=None,
        min_length=1,
        max_length=4_096,
        description="Version of the model to use, or a model's directory. Without it the selected one is used,"
        " or the newest; where there is none, one is trained in simulated labs first.",
    )
    automatic: bool = Field(default=False, description="Carry out the learner's suggestions without being asked.")
    min_confidence: float = Field(
        default=0.5,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Automatic rebalancing leaves suggestions below this confidence alone.",
    )
    budget_sat_per_day: int = Field(
        default=10_000,
        ge=0,
        le=MAX_MONEY_SAT,
        description="Most that the learner's rebalances may cost in fees per day of world time, in sat.",
    )
    own_payment_worth_ppm: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="What it is worth to a node that a payment of its own arrives, in ppm of the amount;"
        " a first model learns with it. At 0 only fees count.",
    )


class AlertRuleSettings(Section):
    """One rule of `[[alerts.rules]]`: what it watches, and when it is an alert."""

    name: Annotated[str, Field(min_length=1, max_length=60)]
    series: Annotated[str, Field(min_length=1, max_length=40)]
    above: float | None = Field(default=None, allow_inf_nan=False)
    below: float | None = Field(default=None, allow_inf_nan=False)
    clear: float | None = Field(default=None, allow_inf_nan=False)
    for_s: Seconds = 0.0
    level: Literal["warning", "error"] = "warning"
    subject: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class AlertSettings(Section):
    """When an alert is raised, and who is told. Times are the world's."""

    low_share: float = Field(
        default=0.1,
        ge=0,
        le=0.5,
        allow_inf_nan=False,
        description="A channel is imbalanced when one side holds less than this part of it.",
    )
    imbalanced_for_s: Seconds = Field(default=900, description="Seconds that it must last before it is an alert.")
    failed_share: float = Field(
        default=0.4, gt=0, le=1, allow_inf_nan=False, description="Part of a window's payments that must have failed."
    )
    failed_window_s: float = Field(
        default=1_800, ge=60, le=86_400, allow_inf_nan=False, description="Length of that window."
    )
    failed_least_payments: int = Field(default=20, ge=1, description="Fewer payments in a window say nothing.")
    webhook_url: Annotated[str, AfterValidator(_webhook)] | None = Field(
        default=None,
        max_length=2_000,
        description="Address that each alert is sent to: https, or http on this machine.",
    )
    command: tuple[str, ...] = Field(
        default=(),
        max_length=50,
        description='Program that is run for each alert, and what it is given, such as `["/usr/local/bin/tell", "me"]`;'
        " the alert is on its standard input as JSON. `lens run` only.",
    )
    rules: tuple[AlertRuleSettings, ...] | None = Field(
        default=None,
        max_length=200,
        description="Rules of `lens run` over a node's series; without any, the rules of the reference are in force.",
    )
    webhook_secret_file: FilePath | None = Field(
        default=None, description="File with the secret that signs what is sent there, mode 0600."
    )


class DataSettings(Section):
    """Where this program keeps what it writes."""

    dir: FilePath = Field(
        default_factory=lambda: platformdirs.user_data_path("lightninglens"),
        description="Data directory, mode 0700: recordings, journal, token, lock. One running process owns it.",
    )


class LogSettings(Section):
    """What is logged, to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least severe level shown.")
    format: Literal["console", "json"] = Field(
        default="console", description="`console` for people, `json` for machines."
    )


class Settings(BaseSettings):
    """All settings, by section."""

    model_config = SettingsConfigDict(
        env_prefix="LENS_", env_nested_delimiter="_", env_nested_max_split=1, extra="forbid", frozen=True
    )

    service: ServiceSettings = Field(default_factory=ServiceSettings)
    feed: FeedSettings = Field(default_factory=FeedSettings)
    lab: LabSettings = Field(default_factory=LabSettings)
    learning: LearningSettings = Field(default_factory=LearningSettings)
    alerts: AlertSettings = Field(default_factory=AlertSettings)
    data: DataSettings = Field(default_factory=DataSettings)
    log: LogSettings = Field(default_factory=LogSettings)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only what `config.load_settings` has merged, which knows where each value came from."""
        return (init_settings,)


def known_keys() -> dict[str, tuple[str, ...]]:
    """Return each section's keys, in order."""
    return {
        name: tuple(section.model_fields)
        for name, field in Settings.model_fields.items()
        if isinstance(section := field.annotation, type) and issubclass(section, Section)
    }

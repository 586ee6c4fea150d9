"""`lens up`: the lab with its feed, its recording and its dashboard."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lightninglens.app.cli.framework import invocation, new_app
from lightninglens.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightninglens.app.alerts.webhook import WebhookOptions
    from lightninglens.app.learning.training import TrainingLab
    from lightninglens.app.runtime import ServiceOptions
    from lightninglens.app.settings import Settings
    from lightninglens.app.world import World

app = new_app(help="Run the lab: simulated network, feed, dashboard.")


class Topology(StrEnum):
    """Which channels the lab has."""

    BUILT = "built"
    DRAWN = "drawn"


class Opening(StrEnum):
    """Who holds a new channel's money."""

    OPENER = "opener"
    BALANCED = "balanced"


class Demand(StrEnum):
    """What is paid."""

    ROLES = "roles"
    SETTLEMENTS = "settlements"
    UNIFORM = "uniform"


@app.command(epilog="Example: lens up --speed 10 --baseline-every 600")
def up(
    ctx: typer.Context,
    *,
    graph: Annotated[
        str | None, typer.Option(help="Graph file, `synthetic` or `synthetic:NODES`; otherwise the five-node lab.")
    ] = None,
    speed: Annotated[float | None, typer.Option(help="Simulated seconds per real second.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same payments.")] = None,
    duration: Annotated[float | None, typer.Option(help="Simulated seconds to run; 0 is for ever.")] = None,
    topology: Annotated[Topology | None, typer.Option(help="The lab's channels: as built (7) or drawn (6).")] = None,
    opening: Annotated[Opening | None, typer.Option(help="The lab's money: with the opener, or half each.")] = None,
    demand: Annotated[
        Demand | None,
        typer.Option(help="Nodes with habits, large payments whose money comes back, or 500 to 3000 sat at random."),
    ] = None,
    baseline_every: Annotated[
        float | None, typer.Option(help="Simulated seconds between baseline rebalances; 0 turns them off.")
    ] = None,
    snapshot_every: Annotated[
        float | None, typer.Option(help="Simulated seconds between snapshots; 0 turns them off.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port of dashboard and API.")] = None,
    feed_port: Annotated[int | None, typer.Option(help="Port of the raw feed.")] = None,
    classic_ports: Annotated[
        bool | None,
        typer.Option("--classic-ports/--no-classic-ports", help="Answer on the source documents' ports too."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Version of the model that suggests, or its directory (`lens learn models`)."),
    ] = None,
    auto: Annotated[
        bool | None, typer.Option("--auto/--no-auto", help="Carry out the learner's suggestions without being asked.")
    ] = None,
    learn: Annotated[
        bool | None, typer.Option("--learn/--no-learn", help="Learn, predict and suggest while the lab runs.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where recordings, journal and token are kept.")] = None,
    serve_lnd: Annotated[
        bool, typer.Option("--serve-lnd", help="Let the lab's nodes answer as LND; see serve-lnd.")
    ] = False,
    lnd_rpc_port: Annotated[
        int, typer.Option(min=0, max=65_000, help="gRPC port of the first such node; the others' follow. 0: any.")
    ] = 10_009,
    lnd_rest_port: Annotated[
        int, typer.Option(min=0, max=65_000, help="REST port of the first such node; the others' follow. 0: any.")
    ] = 8_080,
    headless: Annotated[bool, typer.Option("--headless", help="No dashboard and no live display.")] = False,
    no_feed: Annotated[bool, typer.Option("--no-feed", help="No raw feed.")] = False,
    no_record: Annotated[bool, typer.Option("--no-record", help="No raw recording on disk.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print events and the closing statistics as JSON.")] = False,
) -> None:
    """Run a simulated network in real time, until Ctrl-C or the end of its duration."""
    import asyncio

    from lightninglens.app.cli.console import run_on_console

    overrides = {
        "lab.speed": speed,
        "lab.seed": seed,
        "lab.duration_s": duration,
        "lab.topology": topology and topology.value,
        "lab.opening": opening and opening.value,
        "lab.demand": demand and demand.value,
        "lab.baseline_rebalance_s": baseline_every,
        "lab.snapshot_s": snapshot_every,
        "learning.model": model,
        "learning.automatic": auto,
        "learning.enabled": learn,
        "service.port": port,
        "feed.port": feed_port,
        "service.classic_ports": classic_ports,
        "data.dir": data_dir,
    }
    settings = invocation(ctx).start(overrides).settings
    check_model(settings)
    if serve_lnd and graph is not None:
        raise ConfigError("--serve-lnd is for the lab; `lens serve-lnd --graph` serves nodes of another network")
    options = service_options(
        settings,
        headless=headless,
        feed=not no_feed,
        record=not no_record,
        is_lab=graph is None,
        lnd_ports=(lnd_rpc_port, lnd_rest_port) if serve_lnd else None,
    )
    build = world_builder(settings, graph)
    asyncio.run(
        run_on_console(
            options,
            build,
            live=not headless,
            as_json=as_json,
            every_payments=settings.lab.statistics_every_payments,
        )
    )


def check_model(settings: "Settings") -> None:
    """Refuse a model that does not exist, or is no model, before anything starts; raises ConfigError or DataError."""
    from lightninglens.storage.models import FOLDER, ModelStore

    model = settings.learning.model
    if model is not None and settings.learning.enabled:
        store = ModelStore(settings.data.dir / FOLDER)
        if Path(model).exists():
            store.open(model)
        else:
            store.card(model)


def service_options(
    settings: "Settings",
    *,
    headless: bool,
    feed: bool,
    record: bool,
    is_lab: bool,
    lnd_ports: tuple[int, int] | None = None,
) -> "ServiceOptions":
    """Return the service's options for these settings; only for a lab a first model can be trained.

    `lnd_ports` are the first ports, gRPC and REST, of nodes that answer as LND; None: none does.
    """
    from lightninglens.app.alerts.rules import AlertOptions
    from lightninglens.app.feed import FeedOptions
    from lightninglens.app.lab import LabOptions
    from lightninglens.app.learning.options import LearningOptions
    from lightninglens.app.lnd_nodes import LndOptions
    from lightninglens.app.runtime import ServiceOptions

    return ServiceOptions(
        data_dir=settings.data.dir,
        host=settings.service.host,
        port=settings.service.port,
        token_file=settings.service.token_file,
        allowed_origins=settings.service.allowed_origins,
        dashboard=not headless,
        feed_host=settings.feed.host,
        feed=FeedOptions(
            port=settings.feed.port, service_port=settings.service.port, max_clients=settings.feed.max_clients
        )
        if feed
        else None,
        classic_ports=settings.service.classic_ports,
        record=record,
        min_confidence=settings.feed.min_confidence,
        budget_sat_per_day=settings.feed.budget_sat_per_day,
        learning=LearningOptions(
            enabled=settings.learning.enabled,
            model=settings.learning.model,
            train_in=training_lab(settings) if is_lab else None,
            automatic=settings.learning.automatic,
            min_confidence=settings.learning.min_confidence,
            budget_sat_per_day=settings.learning.budget_sat_per_day,
            own_payment_worth_ppm=settings.learning.own_payment_worth_ppm,
        ),
        alerts=AlertOptions(
            low_share=settings.alerts.low_share,
            imbalanced_for_s=settings.alerts.imbalanced_for_s,
            failed_share=settings.alerts.failed_share,
            failed_window_s=settings.alerts.failed_window_s,
            failed_least_payments=settings.alerts.failed_least_payments,
        ),
        webhook=webhook_options(settings),
        lab=LabOptions(
            speed=settings.lab.speed,
            duration_s=settings.lab.duration_s,
            baseline_rebalance_s=settings.lab.baseline_rebalance_s,
            snapshot_s=settings.lab.snapshot_s,
        ),
        lnd=LndOptions(folder=settings.data.dir / "lnd", rpc_port=lnd_ports[0], rest_port=lnd_ports[1], can_grow=False)
        if lnd_ports
        else None,
        seed=settings.lab.seed,
    )


def training_lab(settings: "Settings") -> "TrainingLab":
    """Return the kind of lab that runs, for a first model to learn in."""
    from lightninglens.app.learning.training import TrainingLab

    return TrainingLab(
        topology=settings.lab.topology,
        opening=settings.lab.opening,
        capacity_sat=settings.lab.capacity_sat,
        demand=settings.lab.demand,
        own_payment_worth_ppm=settings.learning.own_payment_worth_ppm,
    )


def webhook_options(settings: "Settings") -> "WebhookOptions | None":
    """Return where alerts are sent; None for nowhere. Raises ConfigError when the secret cannot be read."""
    from lightninglens.app.alerts.webhook import WebhookOptions
    from lightninglens.app.secrets import read_secret

    url, secret_file = settings.alerts.webhook_url, settings.alerts.webhook_secret_file
    if url is None:
        return None
    return WebhookOptions(url=url, secret=read_secret(secret_file) if secret_file else None)


def world_builder(settings: "Settings", graph: str | None) -> "Callable[[], World]":
    """Return what builds the world; a graph file is read, and found wrong, when it runs."""
    from lightninglens.app.world import WorldOptions, build_from_graph, build_lab

    options = WorldOptions(
        topology=settings.lab.topology,
        opening=settings.lab.opening,
        capacity_sat=settings.lab.capacity_sat,
        demand=settings.lab.demand,
        seed=settings.lab.seed,
    )

    def build() -> "World":
        if graph is None:
            return build_lab(options)
        from lightninglens.lab.worlds import open_world

        found = open_world(graph, seed=options.seed)
        return build_from_graph(found.graph, found.source.name or found.format, options)

    return build

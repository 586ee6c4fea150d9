"""Metrics for Prometheus, read from the service's state at each scrape."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lightninglens.app.events import Channel, Stats
from lightninglens.core.units import MSAT_PER_SAT

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_CHANNELS = 1_000
"""A larger network's channels are not exported one by one."""

_SIMULATED = " (simulated)"


class ServiceCollector(Collector):
    """Turns the newest state into metrics; before the world is ready there are only the gauges of the service."""

    def __init__(
        self,
        *,
        stats: Callable[[], Stats | None],
        channels: Callable[[], tuple[Channel, ...]],
        clients: Callable[[], dict[str, int]],
        alerts: Callable[[], int],
    ) -> None:
        self._stats = stats
        self._channels = channels
        self._clients = clients
        self._alerts = alerts

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        clients = GaugeMetricFamily("lens_clients", "Connected WebSocket clients", labels=["endpoint"])
        for endpoint, count in self._clients().items():
            clients.add_metric([endpoint], count)
        yield clients
        yield CounterMetricFamily("lens_alerts", "Alerts raised since the start", value=self._alerts())
        stats = self._stats()
        if stats is not None:
            yield from _totals(stats)
            yield from _balances(self._channels())


def _totals(stats: Stats) -> Iterator[Metric]:
    payments = CounterMetricFamily("lens_payments", "Payments that ended" + _SIMULATED, labels=["result"])
    payments.add_metric(["succeeded"], stats.succeeded)
    payments.add_metric(["failed"], stats.payments - stats.succeeded)
    yield payments
    for name, text, value in (
        ("lens_volume_sat", "Amount paid", stats.volume_msat / MSAT_PER_SAT),
        ("lens_fees_sat", "Fees of payments", stats.fees_msat / MSAT_PER_SAT),
        ("lens_rebalances", "Circular self-payments that moved money", stats.rebalances),
        ("lens_rebalanced_sat", "Amount moved by rebalances", stats.rebalanced_msat / MSAT_PER_SAT),
        ("lens_rebalance_cost_sat", "Fees of rebalances", stats.rebalance_cost_msat / MSAT_PER_SAT),
    ):
        yield CounterMetricFamily(name, text + _SIMULATED, value=value)
    yield GaugeMetricFamily("lens_world_seconds", "The world's time, in Unix seconds", value=stats.world_ms / 1_000)
    yield GaugeMetricFamily("lens_speed", "World seconds per real second", value=stats.speed)


def _balances(channels: tuple[Channel, ...]) -> Iterator[Metric]:
    if len(channels) > MOST_CHANNELS:
        return
    local = GaugeMetricFamily("lens_channel_local_sat", "Local balance" + _SIMULATED, labels=["channel_id", "node_id"])
    pending = GaugeMetricFamily("lens_channel_pending_htlcs", "HTLCs in flight" + _SIMULATED, labels=["channel_id"])
    for channel in channels:
        local.add_metric([channel.channel_id, channel.node1_id], channel.node1_local_msat / MSAT_PER_SAT)
        local.add_metric([channel.channel_id, channel.node2_id], channel.node2_local_msat / MSAT_PER_SAT)
        pending.add_metric([channel.channel_id], channel.pending_htlcs)
    yield local
    yield pending


def render(*collectors: Collector) -> bytes:
    """Return all metrics as text."""
    registry = CollectorRegistry(auto_describe=False)
    for collector in collectors:
        registry.register(collector)
    return generate_latest(registry)

"""Metrics of a watched node for Prometheus: its recording, and the newest reading of every series."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lightninglens.app.alerts.series import SERIES
from lightninglens.app.node.watched import WatchedNode
from lightninglens.core.units import MSAT_PER_SAT


class NodeCollector(Collector):
    """Turns what is recorded into metrics; there are none before the node has answered."""

    def __init__(self, watched: Callable[[], Iterable[WatchedNode]]) -> None:
        self._watched = watched

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        for watched in self._watched():
            yield from self._collect(watched)

    def _collect(self, watched: WatchedNode) -> Iterator[Metric]:
        yield from _recording(watched)
        yield from _channels(watched)
        for name, series in SERIES.items():
            labels = [] if series.of == "node" else [f"{series.of}_id"]
            gauge = GaugeMetricFamily(f"lens_node_{name}{_unit(series.unit)}", series.text.capitalize(), labels=labels)
            for reading in watched.latest.values():
                if reading.series == name:
                    gauge.add_metric([reading.subject] if labels else [], reading.value)
            yield gauge


def _recording(watched: WatchedNode) -> Iterator[Metric]:
    recording = watched.recording
    totals = recording.totals
    yield CounterMetricFamily("lens_node_events", "HTLC events taken since the start", value=recording.events)
    attempts = CounterMetricFamily("lens_node_attempts", "Attempts to forward that ended", labels=["result"])
    attempts.add_metric(["settled"], totals.settled)
    attempts.add_metric(["refused_here"], totals.refused)
    attempts.add_metric(["failed_downstream"], totals.failed_downstream)
    yield attempts
    yield GaugeMetricFamily("lens_node_in_flight", "HTLCs in flight", value=recording.accounting.in_flight)


def _channels(watched: WatchedNode) -> Iterator[Metric]:
    local = GaugeMetricFamily("lens_node_local_sat", "Local balance", labels=["channel_id", "peer_id"])
    remote = GaugeMetricFamily("lens_node_remote_sat", "Remote balance", labels=["channel_id", "peer_id"])
    active = GaugeMetricFamily("lens_node_channel_active", "Whether the peer is there", labels=["channel_id"])
    for state in watched.channels():
        names = [str(state.channel_id), str(state.peer_id)]
        local.add_metric(names, state.local_msat / MSAT_PER_SAT)
        remote.add_metric(names, state.remote_msat / MSAT_PER_SAT)
        active.add_metric(names[:1], state.active)
    yield from (local, remote, active)


def _unit(unit: str) -> str:
    return {"": "", "sat": "_sat", "min": "_minutes", "MB": "_megabytes"}[unit]

"""What the server tells Prometheus about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric

    from app.machines import Machines
    from app.store.journal import Journal


class Metrics:
    """One registry for each application, so that two of them in one process do not collide."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "pagewalk_request_seconds",
            "Time to answer a request.",
            ("method", "route", "status"),
            registry=self.registry,
        )

        self._found: dict[tuple[str, str, int], Histogram] = {}
        """What labels() gave: it makes strings of its arguments and takes a lock each time."""

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request, answered."""
        key = method, route, status
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self.requests.labels(method, route, str(status))
        found.observe(seconds)

    def watch(self, machines: Machines, journal: Journal) -> None:
        """Tells what these two count, from now on."""
        self.registry.register(_Counts(machines, journal))


class _Counts:
    """Reads the service's own counters when Prometheus asks."""

    def __init__(self, machines: Machines, journal: Journal) -> None:
        self._machines = machines
        self._journal = journal

    def collect(self) -> Iterator[Metric]:
        machines, writer = self._machines, self._journal.writer
        yield GaugeMetricFamily("pagewalk_live_machines", "Machines in memory.", machines.live)
        yield CounterMetricFamily("pagewalk_commands", "Commands performed.", machines.commands_performed)
        yield CounterMetricFamily("pagewalk_journal_commits", "Transactions of the journal.", writer.commits)

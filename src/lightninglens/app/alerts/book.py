"""The book of alerts: what is raised now, and the newest of what was."""

import dataclasses

from lightninglens.app.events import Alert

KEPT_ALERTS = 500


class AlertBook:
    """Keeps each alert under its id, in the order in which they came."""

    def __init__(self) -> None:
        self._alerts: dict[str, Alert] = {}
        self.count = 0
        """How many were noted or raised since the start."""

    def take(self, alert: Alert) -> None:
        """Take in what somebody published."""
        known = self._alerts.get(alert.alert_id)
        if alert.state == "cleared" and known is None:
            return
        is_news = known is None or (alert.state == "raised" and known.state != "raised")
        if is_news:
            self.count += 1
            self._alerts.pop(alert.alert_id, None)
        self._alerts[alert.alert_id] = alert
        if len(self._alerts) > KEPT_ALERTS:
            self._forget_one()

    def newest_first(self, *, raised_only: bool = False) -> list[Alert]:
        """Return the alerts that are known."""
        return [alert for alert in reversed(self._alerts.values()) if alert.state == "raised" or not raised_only]

    def acknowledged(self, alert_id: str) -> Alert | None:
        """Return the alert as it is once somebody has seen it, to be published; None where there is none such."""
        known = self._alerts.get(alert_id)
        return known and dataclasses.replace(known, acknowledged=True)

    def _forget_one(self) -> None:
        """Forget the oldest that is over; if none is, the oldest."""
        over = (alert_id for alert_id, alert in self._alerts.items() if alert.state != "raised")
        del self._alerts[next(over, next(iter(self._alerts)))]

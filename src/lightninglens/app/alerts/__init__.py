"""Alerts: rules that raise and clear them, the book of those that are known, the webhook that tells others.

Depends on the events of the service only. Entry points: `AlertBook`.
"""

from lightninglens.app.alerts.book import AlertBook

__all__ = ["AlertBook"]

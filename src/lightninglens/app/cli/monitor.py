"""`lens monitor`."""

from lightninglens.app.cli.missed import monitor_app as app

__all__ = ["app"]

"""`lens analyze`."""

from lightninglens.app.cli.missed import analyze_app as app

__all__ = ["app"]

"""REST, live stream, metrics and dashboard on the service's one port.

Entry point: `create_api`.
"""

from lightninglens.app.api.application import create_api

__all__ = ["create_api"]

"""Path finding as LND does it, with mission control. Pure: arrays in, arrays out.

Depends on core. Entry points: `PathFinder`, `RouteQuery`, `Route`, `NoRoute`.
"""

from lightninglens.routing.pathfinding import NoRoute, PathFinder, Route, RouteHop, RouteQuery

__all__ = ["NoRoute", "PathFinder", "Route", "RouteHop", "RouteQuery"]

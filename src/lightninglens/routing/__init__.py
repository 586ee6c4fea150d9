"""Path finding as LND does it, with mission control. Pure: arrays in, arrays out.

Depends on core. Entry points: `PathFinder` with `RouteQuery`, `Route`, `NoRoute` for one search at a time, and
`RouteQueries`, `RoutesFound`, `SearchMethod` for many.
"""

from lightninglens.routing.bulk import RouteQueries, RoutesFound, SearchMethod
from lightninglens.routing.pathfinding import NoRoute, PathFinder, Route, RouteHop, RouteQuery

__all__ = [
    "NoRoute",
    "PathFinder",
    "Route",
    "RouteHop",
    "RouteQueries",
    "RouteQuery",
    "RoutesFound",
    "SearchMethod",
]

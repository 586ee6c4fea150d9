"""The raw WebSocket feed that models connect to, in the message formats of the source documents.

Entry points: `FeedServer`, `FeedOptions`.
"""

from lightninglens.app.feed.server import FeedOptions, FeedServer

__all__ = ["FeedOptions", "FeedServer"]

"""Channel ids in SQLite: its integers have a sign, and an id of 64 bits may not fit otherwise."""

from lightninglens.core.ids import ChannelId

_ID_RANGE = 2**64


def signed(channel_id: int) -> int:
    """Return an id as it is stored."""
    return channel_id - _ID_RANGE if channel_id >= _ID_RANGE // 2 else int(channel_id)


def unsigned(stored: int) -> ChannelId:
    """Return the id that is stored so."""
    return ChannelId(stored % _ID_RANGE)

import pytest

from lightninglens.app.bus import Bus, SubscriberDropped, Subscription
from lightninglens.app.events import Alert


def alert(number: int) -> Alert:
    return Alert(level="warning", source="test", text=str(number))


async def texts(subscription: Subscription) -> list[str]:
    return [event.text async for event in subscription if isinstance(event, Alert)]


@pytest.mark.asyncio
async def test_everybody_hears_everything_in_order_until_the_end() -> None:
    bus = Bus()
    first, second = bus.subscribe("first"), bus.subscribe("second")
    for number in range(3):
        bus.publish(alert(number))
    bus.close()
    assert await texts(first) == await texts(second) == ["0", "1", "2"]
    assert await texts(first) == []
    assert await texts(bus.subscribe("late")) == []


@pytest.mark.asyncio
async def test_a_slow_subscriber_is_dropped_and_told_and_nobody_waits() -> None:
    bus = Bus()
    slow, quick = bus.subscribe("slow", limit=2), bus.subscribe("quick")
    alerts = [alert(number) for number in range(5)]
    for one in alerts:
        bus.publish(one)
    assert slow.dropped
    assert not quick.dropped
    assert [await anext(slow), await anext(slow)] == alerts[:2]
    with pytest.raises(SubscriberDropped, match="slow was too slow"):
        await anext(slow)
    bus.close()
    assert len(await texts(quick)) == 5


@pytest.mark.asyncio
async def test_who_unsubscribes_hears_no_more() -> None:
    bus = Bus()
    subscription = bus.subscribe("leaver")
    bus.publish(alert(1))
    bus.unsubscribe(subscription)
    bus.unsubscribe(subscription)
    bus.publish(alert(2))
    assert await texts(subscription) == ["1"]

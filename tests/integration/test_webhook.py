import asyncio
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from lightninglens.app.alerts import webhook as webhook_module
from lightninglens.app.alerts.webhook import SIGNATURE, TIMESTAMP, Webhook, WebhookOptions, signature
from lightninglens.app.bus import Bus
from lightninglens.app.events import Alert
from lightninglens.core.clock import SystemClock

CANARY = "canary"


class Receiver(http.server.BaseHTTPRequestHandler):
    answers: list[int]
    got: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((dict(self.headers), body))
        self.send_response(self.answers.pop(0) if self.answers else 204)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Any]:
    handler = type("Handler", (Receiver,), {"answers": [], "got": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def alert(text: str = "too full") -> Alert:
    return Alert(level="warning", source="test", text=text, state="raised", alert_id=text)


async def send(options: WebhookOptions, *alerts: Alert, finished: int) -> Webhook:
    bus = Bus()
    webhook = Webhook(options, SystemClock())
    task = asyncio.create_task(webhook.run(bus))
    await asyncio.sleep(0)
    for one in alerts:
        bus.publish(one)
    async with asyncio.timeout(20):
        while webhook.sent + webhook.lost < finished:  # noqa: ASYNC110 - it is counted, not told
            await asyncio.sleep(0.01)
    bus.close()
    await task
    return webhook


@pytest.mark.asyncio
@pytest.mark.promise("A0.50")
async def test_an_alert_is_posted_and_signed_and_tried_again(receiver: Any) -> None:
    receiver.RequestHandlerClass.answers += [500, 301]
    url = f"http://127.0.0.1:{receiver.server_port}/hook?key=1"
    webhook = await send(WebhookOptions(url=url, secret=CANARY, pause_s=0.01), alert(), finished=1)
    assert (webhook.sent, webhook.lost) == (1, 0)
    got = receiver.RequestHandlerClass.got
    assert len(got) == 3
    headers, body = got[-1]
    assert json.loads(body)["alert"]["alert_id"] == "too full"
    assert headers[SIGNATURE] == "sha256=" + signature(CANARY, headers[TIMESTAMP], body)
    assert CANARY not in repr(WebhookOptions(url=url, secret=CANARY))


@pytest.mark.asyncio
async def test_what_is_refused_or_cannot_be_reached_is_given_up_and_the_next_goes_on(receiver: Any) -> None:
    receiver.RequestHandlerClass.answers += [404, 204]
    url = f"http://127.0.0.1:{receiver.server_port}/"
    webhook = await send(WebhookOptions(url=url, pause_s=0.01), alert("1"), alert("2"), finished=2)
    assert (webhook.sent, webhook.lost) == (1, 1)
    assert SIGNATURE not in receiver.RequestHandlerClass.got[0][0]
    nobody = WebhookOptions(url="https://localhost:1/", tries=2, pause_s=0.01)
    assert (await send(nobody, alert(), finished=1)).lost == 1


@pytest.mark.asyncio
async def test_a_webhook_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(*_arguments: Any) -> tuple[int, str]:
        release.wait(20)
        return 204, ""

    monkeypatch.setattr(webhook_module, "_post", hang)
    bus = Bus()
    webhook = Webhook(WebhookOptions(url="https://localhost/"), SystemClock())
    webhook._waiting = type(webhook._waiting)(maxlen=10)
    task = asyncio.create_task(webhook.run(bus))
    await asyncio.sleep(0)
    for number in range(30):
        bus.publish(alert(str(number)))
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await asyncio.sleep(0.05)
    assert webhook.lost == 20
    bus.close()
    await task
    assert loop.time() - began_s < 2.0
    release.set()

"""`lens analyze` and `lens monitor` where something is amiss, against a node in this process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.lnd_stand_in import NETWORK, StandIn, beside, get_info

from lightninglens.app.cli import monitor
from lightninglens.app.cli.main import main
from lightninglens.nodes.lnd.contract import lnrpc, routerrpc
from lightninglens.nodes.lnd.contract.services import Lightning, Router


@pytest.fixture
def node(tmp_path: Path) -> Iterator[StandIn]:
    answers: dict[str, Any] = {
        "ListChannels": lnrpc.ListChannelsResponse(),
        "ForwardingHistory": lnrpc.ForwardingHistoryResponse(),
        "ListPayments": lnrpc.ListPaymentsResponse(),
        "GetTransactions": lnrpc.TransactionDetails(),
        "ClosedChannels": lnrpc.ClosedChannelsResponse(),
    }
    with beside(tmp_path / "lnd", **answers) as found:
        found.answers[Router.SubscribeHtlcEvents.path] = [routerrpc.HtlcEvent()]
        yield found


def lens(capsys: pytest.CaptureFixture[str], node: StandIn, command: str, *arguments: str) -> tuple[int, str, str]:
    place = ["--lnd-dir", str(node.folder), "--network", NETWORK, "--data-dir", str(node.folder.parent / "data")]
    if "--grpc-host" not in arguments:
        place += ["--grpc-host", f"localhost:{node.port}"]
    with pytest.raises(SystemExit) as stopped:
        main([command, *place, *arguments])
    said = capsys.readouterr()
    return int(stopped.value.code or 0), said.out, said.err


@pytest.mark.promise("A3.4")
@pytest.mark.promise("A3.16")
def test_statistics_are_shown_again_and_again_and_nothing_found_says_what_to_try(
    node: StandIn, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "STATISTICS_S", 0.3)
    code, out, _ = lens(capsys, node, "monitor", "--duration", "0.001")
    assert code == 0
    assert out.count("0 refused here") >= 3
    assert "No missed routing opportunities found" in out
    assert "--hours 168" in out
    code, out, _ = lens(capsys, node, "analyze", "--hours", "24")
    assert code == 0
    assert "No missed routing opportunities found in 24 hours" in out


@pytest.mark.promise("A3.16")
def test_an_old_node_is_told_what_it_cannot_do(node: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    node.answers[Lightning.GetInfo.path] = get_info(version="0.13.4-beta commit=v0.13.4-beta")
    code, out, err = lens(capsys, node, "analyze")
    assert code == 0, err
    assert "HTLC monitoring requires LND 0.14+" in err
    assert "what was missed in the past cannot be known" in out


@pytest.mark.promise("A3.16")
def test_a_node_that_cannot_be_reached_says_where_to_look(node: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = lens(capsys, node, "analyze", "--grpc-host", "localhost:1", "--transport", "grpc", "--timeout", "2")
    assert code == 1
    assert "Failed to connect via gRPC" in err
    assert f"lncli --network={NETWORK} getinfo" in err
    assert "macaroons" in err

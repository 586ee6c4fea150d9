"""The contract as Python sees it: messages, services, and the company of other programs' stubs."""

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from lightninglens.nodes.lnd.contract import invoicesrpc, lnrpc, routerrpc, walletrpc
from lightninglens.nodes.lnd.contract.methods import (
    Behaviour,
    Method,
    StreamStream,
    StreamUnary,
    UnaryStream,
    UnaryUnary,
)
from lightninglens.nodes.lnd.contract.pool import FILES
from lightninglens.nodes.lnd.contract.rest import ROUTES, RestRoute
from lightninglens.nodes.lnd.contract.services import METHODS, SERVICES, Invoices, Lightning, Router

SERVICE_NAMES = {
    "chainrpc.ChainKit",
    "chainrpc.ChainNotifier",
    "invoicesrpc.Invoices",
    "lnrpc.Lightning",
    "lnrpc.State",
    "lnrpc.WalletUnlocker",
    "peersrpc.Peers",
    "routerrpc.Router",
    "signrpc.Signer",
    "verrpc.Versioner",
    "walletrpc.WalletKit",
    "wtclientrpc.WatchtowerClient",
}
FOREIGN_FIRST = """
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
pool = descriptor_pool.Default()
file = descriptor_pb2.FileDescriptorProto(name="lnrpc.proto", package="lnrpc", syntax="proto3")
file.message_type.add(name="Invoice").field.add(name="other", number=1, type=9, label=1)
file.enum_type.add(name="AddressType").value.add(name="ELSE", number=0)
def foreign():
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("lnrpc.Invoice"))
def ours():
    from lightninglens.nodes.lnd.contract import lnrpc
    return lnrpc.Invoice
"""


def test_messages_are_written_and_read() -> None:
    sent = lnrpc.Payment(payment_hash="00", status=lnrpc.Payment.SUCCEEDED, fee_msat=5)
    read = lnrpc.Payment.FromString(sent.SerializeToString())
    assert read == sent
    assert lnrpc.Payment.PaymentStatus.Name(read.status) == "SUCCEEDED"


def test_messages_of_another_package_are_the_same_classes() -> None:
    attempt = lnrpc.HTLCAttempt(route=lnrpc.Route(total_amt_msat=7))
    assert routerrpc.SendToRouteRequest(route=attempt.route).route.total_amt_msat == 7
    assert walletrpc.ListUnspentResponse(utxos=[lnrpc.Utxo(amount_sat=3)]).utxos[0].amount_sat == 3


@pytest.mark.parametrize("package", sorted(FILES))
def test_every_package_has_a_module_with_all_its_messages(package: str) -> None:
    module = importlib.import_module(f"lightninglens.nodes.lnd.contract.{package}")
    described = FILES[package]
    for name in [*described.message_types_by_name, *described.enum_types_by_name]:
        assert getattr(module, name).DESCRIPTOR.full_name == f"{package}.{name}"


def test_values_of_an_enum_are_names_of_its_package() -> None:
    assert lnrpc.CommitmentType.Value("SIMPLE_TAPROOT") == lnrpc.SIMPLE_TAPROOT
    assert routerrpc.FailureDetail.Name(routerrpc.INSUFFICIENT_BALANCE) == "INSUFFICIENT_BALANCE"


def test_what_lnd_removed_and_old_clients_still_send_is_read() -> None:
    query = lnrpc.QueryRoutesRequest.FromString(bytes([14 << 3, 5]))
    payment = routerrpc.SendPaymentRequest.FromString(bytes([8 << 3, 6]))
    assert (query.outgoing_chan_id, payment.outgoing_chan_id) == (5, 6)


def test_twelve_services_are_in_the_contract() -> None:
    assert set(SERVICES) == SERVICE_NAMES
    assert {method.service for method in METHODS.values()} == SERVICE_NAMES


def test_a_method_knows_its_names_and_messages() -> None:
    method = Lightning.GetInfo
    assert (method.path, method.service, method.name) == ("/lnrpc.Lightning/GetInfo", "lnrpc.Lightning", "GetInfo")
    assert method.uri == "uri:/lnrpc.Lightning/GetInfo"
    assert (method.request, method.response) == (lnrpc.GetInfoRequest, lnrpc.GetInfoResponse)
    assert METHODS[method.path] is method
    assert Invoices.LookupInvoiceV2.response is lnrpc.Invoice
    assert Invoices.CancelInvoice.request is invoicesrpc.CancelInvoiceMsg


def test_methods_say_which_side_streams() -> None:
    assert isinstance(Lightning.GetInfo, UnaryUnary)
    assert isinstance(Router.SubscribeHtlcEvents, UnaryStream)
    assert isinstance(Router.HtlcInterceptor, StreamStream)
    assert not any(isinstance(method, StreamUnary) for method in METHODS.values())


@pytest.mark.parametrize("order", ["foreign(); ours()", "ours(); foreign()"])
def test_it_loads_beside_another_programs_stubs_of_lnd(order: str) -> None:
    check = f"{FOREIGN_FIRST}\n{order}\nassert foreign() is not ours() and 'r_hash' in ours().DESCRIPTOR.fields_by_name"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_the_default_pool_is_left_alone() -> None:
    check = (
        "from google.protobuf import descriptor_pool; import lightninglens.nodes.lnd.contract.services\n"
        "try: descriptor_pool.Default().FindMessageTypeByName('lnrpc.Invoice')\n"
        "except KeyError: pass\n"
        "else: raise SystemExit('registered in the default pool')"
    )
    subprocess.run([sys.executable, "-c", check], check=True)


@pytest.mark.asyncio
async def test_every_kind_of_call_goes_over_a_connection() -> None:
    async def info(request: lnrpc.GetInfoRequest, context: object) -> bytes:
        return lnrpc.GetInfoResponse(alias="serialised").SerializeToString()

    async def events(request: routerrpc.SubscribeHtlcEventsRequest, context: object) -> object:
        for number in range(3):
            yield routerrpc.HtlcEvent(incoming_htlc_id=number)

    async def intercept(requests: object, context: object) -> object:
        async for response in requests:  # type: ignore[attr-defined]
            yield routerrpc.ForwardHtlcInterceptRequest(incoming_circuit_key=response.incoming_circuit_key)

    async def count(requests: object, context: object) -> lnrpc.WalletBalanceResponse:
        return lnrpc.WalletBalanceResponse(total_balance=len([one async for one in requests]))  # type: ignore[attr-defined]

    uploads = StreamUnary("/lnrpc.Lightning/Count", lnrpc.GetInfoRequest, lnrpc.WalletBalanceResponse)
    behaviours: list[tuple[Method[Any, Any], Behaviour]] = [
        (Lightning.GetInfo, info),
        (Router.SubscribeHtlcEvents, events),
        (Router.HtlcInterceptor, intercept),
        (uploads, count),
    ]
    server = aio.server()
    for service in ("lnrpc.Lightning", "routerrpc.Router"):
        handlers = {
            method.name: method.handler(behaviour) for method, behaviour in behaviours if method.service == service
        }
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            assert (await Lightning.GetInfo.on(channel)(lnrpc.GetInfoRequest())).alias == "serialised"
            heard = Router.SubscribeHtlcEvents.on(channel)(routerrpc.SubscribeHtlcEventsRequest())
            assert [event.incoming_htlc_id async for event in heard] == [0, 1, 2]
            key = routerrpc.CircuitKey(chan_id=9)
            echo = Router.HtlcInterceptor.on(channel)(
                iter([routerrpc.ForwardHtlcInterceptResponse(incoming_circuit_key=key)])
            )
            assert [request.incoming_circuit_key.chan_id async for request in echo] == [9]
            total = await uploads.on(channel)(iter([lnrpc.GetInfoRequest()] * 4))
            assert total.total_balance == 4
    finally:
        await server.stop(None)


def test_every_method_has_a_rest_route() -> None:
    assert set(ROUTES) == set(METHODS)
    assert ROUTES["/lnrpc.Lightning/GetInfo"] == (RestRoute("GET", "/v1/getinfo", has_body=False),)
    assert [route.verb for route in ROUTES["/lnrpc.Lightning/QueryRoutes"]] == ["GET", "POST"]


def test_no_two_methods_share_a_rest_route() -> None:
    routes = [(route.verb, route.template) for alternatives in ROUTES.values() for route in alternatives]
    assert len(routes) == len(set(routes))


@pytest.mark.parametrize("path", sorted(ROUTES))
def test_a_rest_route_names_fields_of_its_request(path: str) -> None:
    for route in ROUTES[path]:
        assert route.verb in {"GET", "POST", "DELETE"}
        assert not (route.has_body and route.verb == "GET")
        for name in re.findall(r"{([\w.]+)}", route.template):
            message = METHODS[path].request.DESCRIPTOR
            for part in name.split("."):
                message = message.fields_by_name[part].message_type


def test_the_contract_has_no_comments_that_are_not_its_own() -> None:
    folder = Path(str(sys.modules["lightninglens.nodes.lnd.contract"].__file__)).parent
    comments = [
        line.partition("//")[2].strip()
        for path in folder.glob("*.proto")
        for line in path.read_text().splitlines()
        if "//" in line
    ]
    assert comments == ["until LND 0.20"] * 2
    assert {path.stem for path in folder.glob("*.proto")} == set(FILES)

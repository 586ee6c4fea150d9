"""The contract, its REST routes and its permissions against LND's own sources, where they are at hand.

`LENS_LND_SOURCE` names a folder with LND's repository, at the newest commit that the contract should follow.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet

from lightninglens.nodes.lnd.contract.pool import FILES
from lightninglens.nodes.lnd.contract.rest import ROUTES
from lightninglens.nodes.lnd.contract.services import METHODS, SERVICES
from lightninglens.nodes.lnd.permissions import ADMIN, INVOICE, MACAROON_FILES, READONLY, REQUIRED

PROTOS = (
    "lightning.proto",
    "stateservice.proto",
    "walletunlocker.proto",
    "chainrpc/chainkit.proto",
    "chainrpc/chainnotifier.proto",
    "invoicesrpc/invoices.proto",
    "peersrpc/peers.proto",
    "routerrpc/router.proto",
    "signrpc/signer.proto",
    "verrpc/verrpc.proto",
    "walletrpc/walletkit.proto",
    "wtclientrpc/wtclient.proto",
)
LEGACY = {("lnrpc.QueryRoutesRequest", 14), ("routerrpc.SendPaymentRequest", 8)}
"""Fields that LND removed and we still read."""

Shape = tuple[str, int, int, str, bool, str]


@pytest.fixture(scope="module")
def source() -> Path:
    folder = os.environ.get("LENS_LND_SOURCE")
    if not folder:
        pytest.skip("no sources of LND; LENS_LND_SOURCE may name a folder with its repository")
    return Path(folder)


@pytest.fixture(scope="module")
def theirs(source: Path, tmp_path_factory: pytest.TempPathFactory) -> FileDescriptorSet:
    out = tmp_path_factory.mktemp("lnd") / "lnd.binpb"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={source / 'lnrpc'}", "--include_imports"]
    subprocess.run([*command, f"--descriptor_set_out={out}", *PROTOS], check=True)
    return FileDescriptorSet.FromString(out.read_bytes())


def ours() -> FileDescriptorSet:
    found = FileDescriptorSet()
    for file in FILES.values():
        file.CopyToProto(found.file.add())
    return found


def messages(files: FileDescriptorSet) -> dict[str, DescriptorProto]:
    def walk(prefix: str, message: DescriptorProto) -> Iterator[tuple[str, DescriptorProto]]:
        name = f"{prefix}.{message.name}"
        yield name, message
        for nested in message.nested_type:
            yield from walk(name, nested)

    return dict(pair for file in files.file for message in file.message_type for pair in walk(file.package, message))


def enums(files: FileDescriptorSet) -> dict[str, EnumDescriptorProto]:
    found = {f"{file.package}.{enum.name}": enum for file in files.file for enum in file.enum_type}
    for name, message in messages(files).items():
        found.update({f"{name}.{enum.name}": enum for enum in message.enum_type})
    return found


def fields(message: DescriptorProto) -> dict[int, Shape]:
    """Return name, type, label and one-of of each field, by number."""

    def group(field: FieldDescriptorProto) -> str:
        return message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""

    return {
        field.number: (field.name, field.type, field.label, field.type_name, field.proto3_optional, group(field))
        for field in message.field
    }


def values(enum: EnumDescriptorProto) -> list[tuple[str, int]]:
    return sorted(((value.name, value.number) for value in enum.value), key=lambda value: value[1])


def test_every_message_is_lnds(theirs: FileDescriptorSet) -> None:
    known = messages(theirs)
    for name, message in messages(ours()).items():
        mine = {number: shape for number, shape in fields(message).items() if (name, number) not in LEGACY}
        assert mine == fields(known[name]), name
        assert message.options.map_entry == known[name].options.map_entry


def test_every_enum_is_lnds(theirs: FileDescriptorSet) -> None:
    known = enums(theirs)
    for name, enum in enums(ours()).items():
        assert values(enum) == values(known[name]), name


def test_a_field_kept_for_old_clients_is_free_in_lnd(theirs: FileDescriptorSet) -> None:
    known = messages(theirs)
    for name, number in LEGACY:
        assert number not in fields(known[name])
        assert any(space.start <= number < space.end for space in known[name].reserved_range)


def test_every_service_is_lnds_and_whole(theirs: FileDescriptorSet) -> None:
    found = {
        f"/{file.package}.{service.name}/{method.name}": (
            method.input_type[1:],
            method.output_type[1:],
            method.client_streaming,
            method.server_streaming,
        )
        for file in theirs.file
        for service in file.service
        for method in service.method
        if f"{file.package}.{service.name}" in SERVICES
    }
    mine = {
        path: (
            method.request.DESCRIPTOR.full_name,
            method.response.DESCRIPTOR.full_name,
            method.streaming.value.startswith("stream"),
            method.streaming.value.endswith("stream"),
        )
        for path, method in METHODS.items()
    }
    assert mine == found


def test_every_rest_route_is_lnds(source: Path) -> None:
    found: dict[str, list[tuple[str, str, bool]]] = {}
    for path in sorted((source / "lnrpc").rglob("*.yaml")):
        method = ""
        for line in path.read_text().splitlines():
            if match := re.match(r"\s*- selector: (\w+\.\w+)\.(\w+)", line):
                method = f"/{match[1]}/{match[2]}"
            elif match := re.match(r'\s*-?\s*(get|post|put|delete|patch): "(.*)"', line):
                found.setdefault(method, []).append((match[1].upper(), match[2], False))
            elif re.match(r'\s*body: "\*"', line):
                verb, template, _ = found[method][-1]
                found[method][-1] = (verb, template, True)
    for method, routes in ROUTES.items():
        assert [(route.verb, route.template, route.has_body) for route in routes] == found[method]


def operations(text: str) -> set[str]:
    pairs = re.findall(r'Entity:\s*"(\w+)",\s*Action:\s*"(\w+)"', text)
    return {f"{entity}:{action}" for entity, action in pairs}


def test_every_permission_is_lnds(source: Path) -> None:
    row = re.compile(r'("/\w+\.\w+/\w+"|lnrpc\.RegisterRPCMiddlewareURI):\s*{((?:\s*{\s*Entity:[^}]*},?\s*)+)}')
    found = {}
    for path in [source / "rpcserver.go", *sorted((source / "lnrpc").glob("*/*.go"))]:
        if not path.name.endswith("_test.go"):
            for name, body in row.findall(path.read_text()):
                method = name.strip('"').replace(
                    "lnrpc.RegisterRPCMiddlewareURI", "/lnrpc.Lightning/RegisterRPCMiddleware"
                )
                found[method] = operations(body)
    free = re.findall(r'"(/\w+\.\w+/\w+)":\s*{},', (source / "rpcperms/interceptor.go").read_text())
    found.update({method: set() for method in free})
    assert {method: set(map(str, needed)) for method, needed in REQUIRED.items()} == {
        method: needed for method, needed in found.items() if method in METHODS
    }


def test_every_macaroon_file_allows_what_lnds_does(source: Path) -> None:
    def named(path: str, name: str) -> set[str]:
        body = re.search(
            rf"^\t{name} = \[\]bakery\.Op{{(.*?)^\t}}", (source / path).read_text(), re.DOTALL | re.MULTILINE
        )
        assert body, f"{path} has no {name}"
        return operations(body[1])

    read, write = named("rpcserver.go", "readPermissions"), named("rpcserver.go", "writePermissions")
    assert set(map(str, READONLY)) == read
    assert set(map(str, ADMIN)) == read | write
    assert set(map(str, INVOICE)) == named("rpcserver.go", "invoicePermissions")
    for file, path in {
        "chainnotifier.macaroon": "lnrpc/chainrpc/chain_server.go",
        "invoices.macaroon": "lnrpc/invoicesrpc/invoices_server.go",
        "router.macaroon": "lnrpc/routerrpc/router_server.go",
        "signer.macaroon": "lnrpc/signrpc/signer_server.go",
        "walletkit.macaroon": "lnrpc/walletrpc/walletkit_server.go",
    }.items():
        assert set(map(str, MACAROON_FILES[file])) == named(path, "macaroonOps")

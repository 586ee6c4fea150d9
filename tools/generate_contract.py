"""Compile the contract with LND and write its stubs, or with --check tell whether they are fresh.

    python tools/generate_contract.py

Reads the .proto files in src/lightninglens/nodes/lnd/contract and writes beside them `contract.binpb`,
a stub for each package, and `services.pyi`.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodDescriptorProto

ROOT = Path(__file__).resolve().parents[1]
CONTRACT = ROOT / "src/lightninglens/nodes/lnd/contract"
PACKAGE = "lightninglens.nodes.lnd.contract"
COMPILED = "contract.binpb"

_KINDS = {
    (False, False): "UnaryUnary",
    (False, True): "UnaryStream",
    (True, False): "StreamUnary",
    (True, True): "StreamStream",
}
_HEAD = f'''"""Written by tools/generate_contract.py; do not edit."""

from collections.abc import Mapping
from typing import Any, ClassVar

from {PACKAGE} import {{packages}}
from {PACKAGE}.methods import Method, {", ".join(sorted(_KINDS.values()))}

SERVICES: Mapping[str, type]
METHODS: Mapping[str, Method[Any, Any]]
'''


class ContractError(Exception):
    """The contract does not compile; the text is the compiler's."""


def generated() -> dict[Path, bytes]:
    """Return what the .proto files compile to, by path; raises ContractError."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        _compile(out)
        compiled = (out / COMPILED).read_bytes()
        packages = [path.stem for path in _sources()]
        files = {CONTRACT / f"{name}.pyi": _stub((out / f"{name}_pb2.pyi").read_text(), packages) for name in packages}
    files[CONTRACT / "services.pyi"] = _services(FileDescriptorSet.FromString(compiled)).encode()
    files[CONTRACT / COMPILED] = compiled
    return files


def _sources() -> list[Path]:
    return sorted(CONTRACT.glob("*.proto"))


def _compile(out: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"--plugin=protoc-gen-mypy={Path(sys.executable).parent / 'protoc-gen-mypy'}",
        f"--proto_path={CONTRACT}",
        "--include_imports",
        f"--descriptor_set_out={out / COMPILED}",
        f"--mypy_out=quiet:{out}",
        *(path.name for path in _sources()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ContractError(done.stderr.strip())


def _stub(text: str, packages: list[str]) -> bytes:
    """Rename a stub's imports from protoc's modules to ours."""
    for name in packages:
        text = text.replace(f"import {name}_pb2 as _{name}_pb2", f"from {PACKAGE} import {name} as _{name}_pb2")
    return text.encode()


def _services(compiled: FileDescriptorSet) -> str:
    files = sorted(compiled.file, key=lambda file: file.package)
    parts = [_HEAD.format(packages=", ".join(file.package for file in files))]
    for file in files:
        for service in file.service:
            methods = [_method_line(method) for method in service.method]
            parts.append("\n".join([f"class {service.name}:", *methods, ""]))
    return "\n".join(parts)


def _method_line(method: MethodDescriptorProto) -> str:
    kind = _KINDS[method.client_streaming, method.server_streaming]
    request, response = method.input_type.lstrip("."), method.output_type.lstrip(".")
    return f"    {method.name}: ClassVar[{kind}[{request}, {response}]]"


def main() -> int:
    """Write or check; return 0 when done, 1 when something is stale or does not compile."""
    check = "--check" in sys.argv[1:]
    try:
        files = generated()
    except ContractError as problem:
        print(f"error: {problem}")
        return 1
    stale = [path for path, data in files.items() if not path.exists() or path.read_bytes() != data]
    for path in stale:
        if not check:
            path.write_bytes(files[path])
        print(f"{'stale' if check else 'written'}: {path.relative_to(ROOT)}")
    if check and stale:
        print("error: run `python tools/generate_contract.py` in the environment and commit what it writes")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

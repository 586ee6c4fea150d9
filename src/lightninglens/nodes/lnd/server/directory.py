"""The directory that LND would have made: certificate, key, and macaroons under the network's name."""

from pathlib import Path

from lightninglens.core.clock import Clock
from lightninglens.nodes.lnd.macaroon import Macaroon, MacaroonError
from lightninglens.nodes.lnd.permissions import MACAROON_FILES
from lightninglens.nodes.lnd.server.gate import DEFAULT_ROOT_KEY_ID, Gate
from lightninglens.nodes.lnd.tls import Names, ensure_certificate
from lightninglens.storage.files.atomic import atomic_writer
from lightninglens.storage.private import private_directory

NETWORK = "regtest"
MACAROONS = Path("data/chain/bitcoin") / NETWORK

_PRIVATE = 0o600
_GROUP = 0o640
_INVOICE = "invoice.macaroon"


def prepare_directory(folder: Path, gate: Gate, clock: Clock) -> None:
    """Make what is missing in a node's directory; macaroons of another node are replaced.

    Raises LensError when it cannot be written.
    """
    private_directory(folder)
    ensure_certificate(folder, Names.of_this_host(), now_ns=clock.now_ns(), refresh=True)
    macaroons = private_directory(folder / MACAROONS)
    for name, permissions in MACAROON_FILES.items():
        path = macaroons / name
        if not _is_ours(path, gate):
            with atomic_writer(path, mode=_GROUP if name == _INVOICE else _PRIVATE) as file:
                file.write(gate.bake(permissions, root_key_id=DEFAULT_ROOT_KEY_ID).to_bytes())


def _is_ours(path: Path, gate: Gate) -> bool:
    try:
        return gate.has_signed(Macaroon.from_bytes(path.read_bytes()))
    except (OSError, MacaroonError):
        return False

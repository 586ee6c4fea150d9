"""The node's certificate, and why a node does not prove that it is the one: told in words, never passed over.

The certificate file is the only root, and the name one connects by must be in
it. A certificate that has changed is not taken over by itself: whoever answers
with another may be anybody.
"""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from lightninglens.core.errors import ConfigError, NodeCondition, NodeUnavailable
from lightninglens.nodes.lnd.client.place import LndOptions, Target
from lightninglens.nodes.lnd.tls import Certificate, CertificateError

LOOK_S = 3.0
"""How long to look at what answers, when a connection has failed."""


@dataclass(frozen=True, slots=True)
class PinnedCertificate:
    """A certificate file: what is in it, and its bytes."""

    path: Path
    pem: bytes
    certificate: Certificate


def read_certificate(options: LndOptions) -> PinnedCertificate:
    """Return the node's certificate; raises ConfigError when there is none that can be read."""
    path = options.certificate
    try:
        pem = path.read_bytes() if path.stat().st_size <= 1 << 20 else b""
        return PinnedCertificate(path, pem, Certificate.from_pem(pem, where=str(path)))
    except OSError as problem:
        raise ConfigError(
            f"{path}: the node's certificate cannot be read: {problem.strerror}."
            " Say where LND's files are with --lnd-dir, or name the file with --tls-cert"
        ) from None
    except CertificateError as problem:
        raise ConfigError(f"{problem}. It should be a copy of LND's tls.cert") from None


def require_valid(pinned: PinnedCertificate, target: Target, now_ns: int) -> None:
    """Raise NodeUnavailable, in words, for a certificate that no connection to `target` could be made with."""
    if pinned.certificate.is_expired(now_ns):
        raise _untrusted(
            f"{pinned.path}: the certificate's time is over. Remove tls.cert and tls.key in LND's directory, restart"
            " LND, and copy the new tls.cert"
        )
    if problem := pinned.certificate.mismatch(target.host):
        raise _untrusted(f"{pinned.path}: {problem}")


async def look(pinned: PinnedCertificate, target: Target) -> NodeUnavailable:
    """Look at what answers at `target` and return the error that says why no connection was made."""
    try:
        async with asyncio.timeout(LOOK_S):
            der = await _certificate_of(target)
    except TimeoutError:
        return NodeUnavailable(f"nothing answers at {target} within {LOOK_S:.0f} s (a firewall, or the wrong host?)")
    except ssl.SSLError:
        return _untrusted(
            f"what answers at {target} does not speak TLS, so it is not LND's gRPC or REST port, or LND runs with"
            " no-rest-tls. Nothing was sent to it"
        )
    except OSError as problem:
        return NodeUnavailable(
            f"no connection to {target}: {problem.strerror or problem}. Does LND run, and is this its address?"
        )
    fingerprint = x509.load_der_x509_certificate(der).fingerprint(hashes.SHA256()).hex() if der else "none"
    if fingerprint != pinned.certificate.fingerprint:
        return _untrusted(
            f"what answers at {target} shows another certificate ({_short(fingerprint)}) than {pinned.path}"
            f" ({_short(pinned.certificate.fingerprint)}). If LND has made a new one, copy its tls.cert from the node"
            " over a way that you trust; otherwise somebody is in between. Nothing was sent to it"
        )
    return NodeUnavailable(f"{target} answers with the right certificate, but the connection was not completed")


async def _certificate_of(target: Target) -> bytes | None:
    """Return what answers' certificate, unverified: it is only compared, and nothing is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection(target.host, target.port, ssl=context)
    try:
        return writer.get_extra_info("ssl_object").getpeercert(binary_form=True)  # type: ignore[no-any-return]
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _untrusted(text: str) -> NodeUnavailable:
    return NodeUnavailable(text, condition=NodeCondition.UNTRUSTED)


def _short(fingerprint: str) -> str:
    return f"SHA-256 {fingerprint[:16]}..." if fingerprint != "none" else "no certificate"

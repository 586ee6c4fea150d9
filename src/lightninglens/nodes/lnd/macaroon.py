"""LND's macaroons: version 2, binary, with first-party caveats only.

A macaroon is a chain of HMACs: whoever holds one can add a caveat that narrows
it, and only who knows the root key can tell a true one. Its identifier names the
root key and the permissions. Signatures are secret: nothing here prints one.

Source: libmacaroons `doc/format.txt`; macaroon-bakery.v2 `bakery/oven.go` for
the identifier; LND `macaroons/service.go` for what is accepted.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from google.protobuf.message import DecodeError

from lightninglens.core.errors import DataError, NodeUnauthorised
from lightninglens.nodes.lnd.caveats import Circumstances, broken_caveat
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.permissions import Permission, allows

LOCATION = "lnd"
NONCE_BYTES = 16
SIGNATURE_BYTES = 32
MAX_ROOT_KEY_ID = 2**64 - 1

_VERSION = 2
_IDENTIFIER_VERSION = 3
_END, _LOCATION, _IDENTIFIER, _VERIFICATION, _SIGNATURE = 0, 1, 2, 4, 6
_FIELDS = {
    _LOCATION: "a location",
    _IDENTIFIER: "an identifier",
    _VERIFICATION: "a verification id",
    _SIGNATURE: "a signature",
}
_KEY_GENERATOR = b"macaroons-key-generator"
_MAX_VARINT = 2**31 - 1


class MacaroonError(DataError):
    """A macaroon is malformed; the text says where, and never what was found there."""


class MacaroonRefused(NodeUnauthorised):
    """A macaroon does not allow what was asked; the text is LND's, word for word."""


@dataclass(frozen=True, slots=True)
class Caveat:
    """A condition that holds for every use; with a verification id, one that a third party must confirm."""

    condition: bytes
    verification_id: bytes = b""
    location: str = ""

    @property
    def text(self) -> str:
        """The condition as text; bytes that are none are escaped."""
        return self.condition.decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a macaroon's identifier says: its root key, and what it allows."""

    root_key_id: int
    permissions: tuple[Permission, ...]
    nonce: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Macaroon:
    """A macaroon as it is sent. It is a secret, so its text shows neither identifier nor signature."""

    identifier: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    location: str = LOCATION
    caveats: tuple[Caveat, ...] = ()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Macaroon":
        """Read the binary form; raises MacaroonError, which names the byte at which it is wrong."""
        return _read(data)

    @classmethod
    def from_hex(cls, text: str) -> "Macaroon":
        """Read what a client sends as metadata; raises MacaroonError."""
        try:
            data = bytes.fromhex(text)
        except ValueError:
            raise MacaroonError("it is not in hexadecimal digits", where="macaroon") from None
        return cls.from_bytes(data)

    def to_bytes(self) -> bytes:
        """Return the binary form, as LND writes it into a file."""
        location = _packet(_LOCATION, self.location.encode()) if self.location else b""
        parts = [bytes([_VERSION]), location, _packet(_IDENTIFIER, self.identifier), bytes([_END])]
        for caveat in self.caveats:
            if caveat.location:
                parts.append(_packet(_LOCATION, caveat.location.encode()))
            parts.append(_packet(_IDENTIFIER, caveat.condition))
            if caveat.verification_id:
                parts.append(_packet(_VERIFICATION, caveat.verification_id))
            parts.append(bytes([_END]))
        parts += [bytes([_END]), _packet(_SIGNATURE, self.signature)]
        return b"".join(parts)

    def to_hex(self) -> str:
        """Return what a client sends as metadata."""
        return self.to_bytes().hex()

    def identity(self) -> Identity:
        """Return what the identifier says; raises MacaroonError when it is not one of LND's."""
        return _read_identity(self.identifier)

    def with_caveat(self, condition: str) -> "Macaroon":
        """Return this macaroon narrowed by a condition (see `caveats`)."""
        caveat = Caveat(condition.encode())
        return replace(self, caveats=(*self.caveats, caveat), signature=_hmac(self.signature, caveat.condition))

    def is_signed_by(self, root_key: bytes) -> bool:
        """Tell whether this root key signed it, in constant time; caveats are not judged."""
        signature = _hmac(_hmac(_KEY_GENERATOR, root_key), self.identifier)
        for caveat in self.caveats:
            signature = _chain(signature, caveat)
        return hmac.compare_digest(signature, self.signature)


def mint(root_key: bytes, permissions: Iterable[Permission], *, nonce: bytes, root_key_id: int = 0) -> Macaroon:
    """Return a new macaroon that allows `permissions`.

    `nonce` is 16 bytes that no other macaroon has.

    Raises:
        ValueError: there is no permission, or an argument is out of range.
    """
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}")
    if not 0 <= root_key_id <= MAX_ROOT_KEY_ID:
        raise ValueError(f"a root key id is a number from 0 to 2^64 - 1, not {root_key_id}")
    actions: dict[str, list[str]] = {}
    for entity, action in sorted(set(permissions)):
        actions.setdefault(entity, []).append(action)
    if not actions:
        raise ValueError("a macaroon needs at least one permission")
    message = lnrpc.MacaroonId(
        nonce=nonce,
        storageId=str(root_key_id).encode(),
        ops=[lnrpc.Op(entity=entity, actions=names) for entity, names in actions.items()],
    )
    identifier = bytes([_IDENTIFIER_VERSION]) + message.SerializeToString()
    return Macaroon(identifier=identifier, signature=_hmac(_hmac(_KEY_GENERATOR, root_key), identifier))


def authorise(
    macaroon: Macaroon, path: str, *, root_key_of: Callable[[int], bytes | None], circumstances: Circumstances
) -> Identity:
    """Return who calls when this macaroon allows the method at `path`.

    `root_key_of` answers None for a root key that was never made or was deleted.

    Raises:
        MacaroonRefused: it does not; signature, caveats and permissions are judged in this order, as LND does.
        MacaroonError: its identifier is not one of LND's.
    """
    identity = macaroon.identity()
    root_key = root_key_of(identity.root_key_id)
    if root_key is None:
        raise MacaroonRefused("verification failed: macaroon not found in storage")
    for caveat in macaroon.caveats:
        if caveat.verification_id:
            raise MacaroonRefused(
                f"verification failed: cannot find discharge macaroon for caveat {caveat.condition.hex()}"
            )
    if not macaroon.is_signed_by(root_key):
        raise MacaroonRefused("verification failed: signature mismatch after caveat verification")
    for caveat in macaroon.caveats:
        if problem := broken_caveat(caveat.text, circumstances):
            raise MacaroonRefused(problem)
    if not allows(identity.permissions, path):
        raise MacaroonRefused("permission denied")
    return identity


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, hashlib.sha256)


def _chain(signature: bytes, caveat: Caveat) -> bytes:
    if caveat.verification_id:
        return _hmac(signature, _hmac(signature, caveat.verification_id) + _hmac(signature, caveat.condition))
    return _hmac(signature, caveat.condition)


def _packet(kind: int, data: bytes) -> bytes:
    return bytes([kind]) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


class _Reader:
    """The bytes of a macaroon, and how far they are read."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def error(self, problem: str) -> MacaroonError:
        return MacaroonError(problem, where=f"macaroon, byte {self.position}")

    @property
    def left(self) -> int:
        return len(self._data) - self.position

    def take(self, count: int, what: str) -> bytes:
        if count > self.left:
            raise self.error(f"it ends within {what}: {count} bytes are announced, {self.left} are left")
        self.position += count
        return self._data[self.position - count : self.position]

    def number(self, what: str) -> int:
        found = shift = 0
        while True:
            byte = self.take(1, what)[0]
            found |= (byte & 0x7F) << shift
            if found > _MAX_VARINT:
                raise self.error(f"{what} is greater than 2^31 - 1")
            if byte < 0x80:
                if shift and not byte:
                    raise self.error(f"{what} is written with more bytes than it needs")
                return found
            shift += 7

    def section(self) -> dict[int, bytes]:
        """Return the fields up to the end of a section; they come in rising order."""
        found: dict[int, bytes] = {}
        before = _END
        while (kind := self.number("the kind of a field")) != _END:
            if kind not in _FIELDS or kind == _SIGNATURE:
                raise self.error(f"field {kind} is not known here")
            if kind <= before:
                raise self.error(f"{_FIELDS[kind]} does not come after {_FIELDS[before]}")
            before = kind
            found[kind] = self.take(self.number("a field's length"), _FIELDS[kind])
            if not found[kind] and kind != _IDENTIFIER:
                raise self.error(f"{_FIELDS[kind]} is empty, so it should not be there")
        return found


def _read(data: bytes) -> Macaroon:
    reader = _Reader(data)
    version = reader.take(1, "the version")[0]
    if version != _VERSION:
        old = " (this looks like version 1, in text)" if chr(version) in "0123456789abcdef" else ""
        raise MacaroonError(f"its version is not 2, the only one that LND takes{old}", where="macaroon, byte 0")
    head = reader.section()
    if _IDENTIFIER not in head or _VERIFICATION in head:
        raise reader.error("the first section needs an identifier, and at most a location beside it")
    caveats = []
    while section := reader.section():
        caveats.append(_read_caveat(section, reader))
    if reader.number("the kind of a field") != _SIGNATURE:
        raise reader.error("a signature should come here")
    length = reader.number("a field's length")
    if length != SIGNATURE_BYTES:
        raise reader.error(f"a signature has {SIGNATURE_BYTES} bytes, not {length}")
    signature = reader.take(length, "the signature")
    if reader.left:
        raise reader.error(f"{reader.left} bytes follow after its end")
    return Macaroon(
        identifier=head[_IDENTIFIER],
        signature=signature,
        location=_text(head.get(_LOCATION, b""), reader),
        caveats=tuple(caveats),
    )


def _read_caveat(section: dict[int, bytes], reader: _Reader) -> Caveat:
    if _IDENTIFIER not in section:
        raise reader.error("a caveat has no identifier")
    caveat = Caveat(section[_IDENTIFIER], section.get(_VERIFICATION, b""), _text(section.get(_LOCATION, b""), reader))
    if caveat.location and not caveat.verification_id:
        raise reader.error("a caveat without a verification id has a location")
    return caveat


def _text(data: bytes, reader: _Reader) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise reader.error("a location is not text in UTF-8") from None


def _read_identity(identifier: bytes) -> Identity:
    where = "macaroon identifier"
    if identifier[:1] != bytes([_IDENTIFIER_VERSION]):
        raise MacaroonError("its first byte is not 3, so it is not one of LND's", where=where)
    try:
        message = lnrpc.MacaroonId.FromString(identifier[1:])
    except DecodeError:
        raise MacaroonError("it cannot be decoded", where=where) from None
    root_key_id = re.fullmatch(rb"\d{1,20}", message.storageId)
    if not root_key_id or int(root_key_id[0]) > MAX_ROOT_KEY_ID:
        raise MacaroonError("its root key id is not a number", where=where)
    permissions = tuple(Permission(op.entity, action) for op in message.ops for action in op.actions)
    if not permissions:
        raise MacaroonError("it allows nothing", where=where)
    return Identity(root_key_id=int(root_key_id[0]), permissions=permissions, nonce=message.nonce)

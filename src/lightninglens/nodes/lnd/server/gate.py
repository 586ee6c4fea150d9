"""Who may call what: a node's root keys, the macaroons made with them, and the judgement of each call."""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Iterable

from lightninglens.core.clock import Clock
from lightninglens.nodes.lnd.caveats import Circumstances
from lightninglens.nodes.lnd.macaroon import (
    MAX_ROOT_KEY_ID,
    NONCE_BYTES,
    Macaroon,
    MacaroonError,
    MacaroonRefused,
    authorise,
    mint,
)
from lightninglens.nodes.lnd.permissions import REQUIRED, URI, Permission
from lightninglens.nodes.lnd.server.calls import Call
from lightninglens.nodes.lnd.server.refusals import Refusal

DEFAULT_ROOT_KEY_ID = 0

_DENIED = "permission denied"
_ANY_METHOD = "/lnrpc.Lightning/GetInfo"
_KEPT_VERDICTS = 1_024


class Gate:
    """A node's bakery: knows its root keys and judges macaroons by the real time, as clients' caveats mean it."""

    def __init__(self, secret: bytes, clock: Clock) -> None:
        """Derive root keys from a secret of the node, so that a node of the same secret accepts the same macaroons."""
        self._secret = secret
        self._clock = clock
        self._root_keys = {DEFAULT_ROOT_KEY_ID: self._root_key(DEFAULT_ROOT_KEY_ID)}
        self._verdicts: OrderedDict[tuple[str, str], None] = OrderedDict()

    def _root_key(self, root_key_id: int) -> bytes:
        return hmac.digest(self._secret, f"lightninglens/macaroon/{root_key_id}".encode(), hashlib.sha256)

    @property
    def root_key_ids(self) -> list[int]:
        """The ids of the root keys in use, in order."""
        return sorted(self._root_keys)

    def bake(self, permissions: Iterable[Permission], *, root_key_id: int = DEFAULT_ROOT_KEY_ID) -> Macaroon:
        """Return a new macaroon; a root key of a new id is made. Raises Refusal for an id out of range."""
        if not 0 <= root_key_id <= MAX_ROOT_KEY_ID:
            raise Refusal(f"root key id {root_key_id} is out of range")
        key = self._root_keys.setdefault(root_key_id, self._root_key(root_key_id))
        return mint(key, permissions, nonce=secrets.token_bytes(NONCE_BYTES), root_key_id=root_key_id)

    def delete(self, root_key_id: int) -> bool:
        """Forget a root key, so that its macaroons are worth nothing; return whether there was one.

        Raises Refusal for the default one, which LND does not delete.
        """
        if root_key_id == DEFAULT_ROOT_KEY_ID:
            raise Refusal("the specified ID cannot be deleted")
        self._verdicts.clear()
        return self._root_keys.pop(root_key_id, None) is not None

    def has_signed(self, macaroon: Macaroon) -> bool:
        """Tell whether a macaroon was made with one of the node's root keys; raises MacaroonError when it is none."""
        root_key = self._root_keys.get(macaroon.identity().root_key_id)
        return root_key is not None and macaroon.is_signed_by(root_key)

    def admit(self, call: Call) -> None:
        """Let a call pass or raise Refusal, as LND's interceptor does."""
        required = REQUIRED.get(call.path)
        if required is None:
            raise Refusal(f"{call.path}: unknown permissions required for method")
        if not required:
            return
        if len(call.macaroons) != 1:
            raise Refusal(f"expected 1 macaroon, got {len(call.macaroons)}")
        text = call.macaroons[0]
        if (text, call.path) in self._verdicts:
            return
        macaroon = read_macaroon(_bytes_of_hex(text))
        self.judge(macaroon, call.path, call.peer_host)
        if not macaroon.caveats:
            self._verdicts[text, call.path] = None
            if len(self._verdicts) > _KEPT_VERDICTS:
                self._verdicts.popitem(last=False)

    def judge_permissions(self, macaroon: Macaroon, wanted: set[Permission], path: str) -> None:
        """Raise Refusal unless a macaroon holds now and has these permissions, or the one of the method `path`."""
        try:
            self.judge(macaroon, path or _ANY_METHOD, "")
        except Refusal as refusal:
            if refusal.text != _DENIED:  # signature and caveats are judged first
                raise
        held = set(macaroon.identity().permissions)
        if not wanted <= held and Permission(URI, path) not in held:
            raise Refusal(_DENIED)

    def judge(self, macaroon: Macaroon, path: str, peer_host: str) -> None:
        """Raise Refusal unless a macaroon allows a method now."""
        circumstances = Circumstances(now_ns=self._clock.now_ns(), peer_host=peer_host)
        try:
            authorise(macaroon, path, root_key_of=self._root_keys.get, circumstances=circumstances)
        except MacaroonRefused as problem:
            raise Refusal(str(problem)) from None
        except MacaroonError:
            raise Refusal("invalid ID") from None


def read_macaroon(data: bytes) -> Macaroon:
    """Return a macaroon from its binary form; raises Refusal, worded as Go's macaroon package does."""
    if not data:
        raise Refusal("empty macaroon data")
    try:
        return Macaroon.from_bytes(data)
    except MacaroonError as problem:
        raise Refusal(f"cannot unmarshal macaroon: {problem.problem}") from None


def _bytes_of_hex(text: str) -> bytes:
    """Return what a header holds; raises Refusal in the words of Go's `encoding/hex`."""
    for character in text:
        if character not in "0123456789abcdefABCDEF":
            raise Refusal(f"encoding/hex: invalid byte: U+{ord(character):04X} {character!r}")
    if len(text) % 2:
        raise Refusal("encoding/hex: odd length hex string")
    return bytes.fromhex(text)

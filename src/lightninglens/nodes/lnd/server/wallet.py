"""The node's keys and its money on the chain.

The simulator has no chain: balances are numbers, and addresses lead nowhere.

Source: LND `rpcserver.go`, `lnrpc/walletrpc/walletkit_server.go`, `lnrpc/signrpc/signer_server.go`.
"""

import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator

import coincurve

from lightninglens.core.bolt11 import Fallback, InvoiceError, Network
from lightninglens.nodes.lnd.contract import lnrpc, signrpc, walletrpc
from lightninglens.nodes.lnd.contract.services import Lightning, WalletKit
from lightninglens.nodes.lnd.server.area import Area
from lightninglens.nodes.lnd.server.calls import Behaviours
from lightninglens.nodes.lnd.server.channel_points import internal, transaction_id
from lightninglens.nodes.lnd.server.refusals import Refusal
from lightninglens.sim.engine import Engine

IDENTITY_FAMILY = 6
"""LND's key family of the node's own key (`keychain/derivation.go`)."""

_SIGNED_PREFIX = b"Lightning Signed Message:"
_ALPHABET = "ybndrfg8ejkmcpqxot1uwisza345h769"
"""Of zbase32."""
_COMPRESSED = 31
_MIN_RELAY_SAT_PER_KW = 253
_PAYMENT_VBYTES = 141
_TAPROOT = (lnrpc.TAPROOT_PUBKEY, lnrpc.UNUSED_TAPROOT_PUBKEY)
_NESTED = (lnrpc.NESTED_PUBKEY_HASH, lnrpc.UNUSED_NESTED_PUBKEY_HASH)
_ACCOUNT = "default"
_HYBRID = walletrpc.HYBRID_NESTED_WITNESS_PUBKEY_HASH
_PURPOSES = ((49, _HYBRID), (84, walletrpc.WITNESS_PUBKEY_HASH), (86, walletrpc.TAPROOT_PUBKEY))
"""What BIP 43 numbers each kind of address with; btcwallet's coin is 0 on every network (`waddrmgr`)."""


class Wallet(Area):
    """Keys, signatures and the balance on the chain."""

    def behaviours(self) -> Behaviours:
        """Return what this area serves."""
        return {
            Lightning.WalletBalance.path: self.wallet_balance,
            Lightning.GetTransactions.path: self.get_transactions,
            Lightning.SubscribeTransactions.path: self.subscribe_transactions,
            Lightning.ListUnspent.path: self.list_unspent,
            Lightning.NewAddress.path: self.new_address,
            Lightning.EstimateFee.path: self.estimate_fee,
            Lightning.SignMessage.path: self.sign_message,
            Lightning.VerifyMessage.path: self.verify_message,
            WalletKit.ListUnspent.path: self.wallet_list_unspent,
            WalletKit.EstimateFee.path: self.wallet_estimate_fee,
            WalletKit.NextAddr.path: self.next_address,
            WalletKit.DeriveKey.path: self.derive_key,
            WalletKit.RequiredReserve.path: self.required_reserve,
            WalletKit.ListAccounts.path: self.list_accounts,
        }

    async def wallet_balance(self, _request: lnrpc.WalletBalanceRequest) -> lnrpc.WalletBalanceResponse:
        """WalletBalance."""
        balance = lnrpc.WalletAccountBalance(confirmed_balance=self.node.wallet_sat)
        return lnrpc.WalletBalanceResponse(
            total_balance=self.node.wallet_sat,
            confirmed_balance=self.node.wallet_sat,
            account_balance={"default": balance},
        )

    async def get_transactions(self, request: lnrpc.GetTransactionsRequest) -> lnrpc.TransactionDetails:
        """GetTransactions between two heights, newest first."""

        def answer(engine: Engine) -> lnrpc.TransactionDetails:
            start, end = request.start_height, request.end_height
            end = engine.block_height if end in (-1, 0) else end
            found = []
            for transaction in self.node.transactions:
                if start <= transaction.block_height <= end:
                    one = lnrpc.Transaction()
                    one.CopyFrom(transaction)
                    one.num_confirmations = max(engine.block_height - one.block_height + 1, 0)
                    found.append(one)
            found.reverse()
            found = found[request.index_offset :]
            return lnrpc.TransactionDetails(
                transactions=found[: request.max_transactions] if request.max_transactions else found
            )

        return await self.network.read(answer)

    async def subscribe_transactions(self, _request: lnrpc.GetTransactionsRequest) -> AsyncIterator[bytes]:
        """SubscribeTransactions: each from now on."""
        async for transaction in self.node.transaction_hub.listen():
            yield transaction

    async def list_unspent(self, _request: lnrpc.ListUnspentRequest) -> lnrpc.ListUnspentResponse:
        """ListUnspent: the whole balance is one output."""
        return lnrpc.ListUnspentResponse(utxos=self._utxos())

    async def wallet_list_unspent(self, _request: walletrpc.ListUnspentRequest) -> walletrpc.ListUnspentResponse:
        """ListUnspent of the wallet kit."""
        return walletrpc.ListUnspentResponse(utxos=self._utxos())

    def _utxos(self) -> list[lnrpc.Utxo]:
        if not self.node.wallet_sat:
            return []
        key_hash = _key_hash(self._key("wallet", 0))
        txid = transaction_id(f"wallet/{self.node.node_id}/{self.node.wallet_sat}")
        return [
            lnrpc.Utxo(
                address_type=lnrpc.WITNESS_PUBKEY_HASH,
                address=Fallback(0, key_hash).address(Network.REGTEST),
                amount_sat=self.node.wallet_sat,
                pk_script=f"0014{key_hash.hex()}",
                outpoint=lnrpc.OutPoint(txid_bytes=internal(txid), txid_str=txid),
                confirmations=100,
            )
        ]

    async def new_address(self, request: lnrpc.NewAddressRequest) -> lnrpc.NewAddressResponse:
        """NewAddress."""
        return lnrpc.NewAddressResponse(address=self._address(request.type))

    async def next_address(self, request: walletrpc.AddrRequest) -> walletrpc.AddrResponse:
        """NextAddr of the wallet kit."""
        taproot = request.type == walletrpc.TAPROOT_PUBKEY
        return walletrpc.AddrResponse(addr=self._address(_TAPROOT[0] if taproot else lnrpc.WITNESS_PUBKEY_HASH))

    def _address(self, kind: "lnrpc.AddressType.ValueType") -> str:
        key = self._key("address", secrets.randbits(31))
        if kind in _TAPROOT:
            return Fallback(1, key.public_key.format()[1:]).address(Network.REGTEST)
        if kind in _NESTED:
            return Fallback(18, _key_hash(key)).address(Network.REGTEST)
        if kind not in (lnrpc.WITNESS_PUBKEY_HASH, lnrpc.UNUSED_WITNESS_PUBKEY_HASH):
            raise Refusal(f"unknown address type: {kind}")
        return Fallback(0, _key_hash(key)).address(Network.REGTEST)

    async def estimate_fee(self, request: lnrpc.EstimateFeeRequest) -> lnrpc.EstimateFeeResponse:
        """EstimateFee of a payment on the chain, at the feerate of the simulation."""
        for address in request.AddrToAmount:
            try:
                Fallback.of_address(address, Network.REGTEST)
            except InvoiceError:
                raise Refusal(f"address is not for regtest: {address}") from None
        rate = await self._sat_per_vbyte()
        return lnrpc.EstimateFeeResponse(fee_sat=rate * _PAYMENT_VBYTES, feerate_sat_per_byte=rate, sat_per_vbyte=rate)

    async def wallet_estimate_fee(self, request: walletrpc.EstimateFeeRequest) -> walletrpc.EstimateFeeResponse:
        """EstimateFee of the wallet kit: a feerate."""
        if request.conf_target <= 1:
            raise Refusal("confirmation target must be greater than 1")
        rate = await self.network.read(lambda engine: engine.config.commit_feerate_sat_per_kw)
        return walletrpc.EstimateFeeResponse(sat_per_kw=rate, min_relay_fee_sat_per_kw=_MIN_RELAY_SAT_PER_KW)

    async def _sat_per_vbyte(self) -> int:
        rate = await self.network.read(lambda engine: engine.config.commit_feerate_sat_per_kw)
        return rate * 4 // 1000

    async def required_reserve(self, _request: walletrpc.RequiredReserveRequest) -> walletrpc.RequiredReserveResponse:
        """RequiredReserve: nothing is held back for anchors that nobody spends."""
        return walletrpc.RequiredReserveResponse()

    async def list_accounts(self, request: walletrpc.ListAccountsRequest) -> walletrpc.ListAccountsResponse:
        """ListAccounts: the default one of each kind of address."""
        asked = _HYBRID if request.address_type == walletrpc.NESTED_WITNESS_PUBKEY_HASH else request.address_type
        return walletrpc.ListAccountsResponse(
            accounts=[
                walletrpc.Account(
                    name=_ACCOUNT, address_type=kind, derivation_path=f"m/{purpose}'/0'/0'", external_key_count=1
                )
                for purpose, kind in _PURPOSES
                if request.name in ("", _ACCOUNT) and asked in (walletrpc.UNKNOWN, kind)
            ]
        )

    async def derive_key(self, request: signrpc.KeyLocator) -> signrpc.KeyDescriptor:
        """DeriveKey: the node's own for family 6 and index 0, as tools ask for it."""
        if request.key_family == IDENTITY_FAMILY and request.key_index == 0:
            public = bytes.fromhex(self.node.node_id)
        else:
            public = self._key(f"family/{request.key_family}", request.key_index).public_key.format()
        return signrpc.KeyDescriptor(raw_key_bytes=public, key_loc=request)

    def _key(self, family: str, index: int) -> coincurve.PrivateKey:
        """Return a key of the wallet; the same for the same node, family and index."""
        label = f"lightninglens/wallet/{family}/{index}".encode()
        return coincurve.PrivateKey(hmac.digest(self.node.secret, label, hashlib.sha256))

    async def sign_message(self, request: lnrpc.SignMessageRequest) -> lnrpc.SignMessageResponse:
        """SignMessage with the node's key."""
        if not request.msg:
            raise Refusal("need a message to sign")
        digest = _digest(request.msg, single=request.single_hash)
        signature = self.node.key.sign_recoverable(digest, hasher=None)
        compact = bytes([signature[64] + _COMPRESSED]) + signature[:64]
        return lnrpc.SignMessageResponse(signature=_to_zbase32(compact))

    async def verify_message(self, request: lnrpc.VerifyMessageRequest) -> lnrpc.VerifyMessageResponse:
        """VerifyMessage: who signed it, and whether the graph knows them."""
        if not request.msg:
            raise Refusal("need a message to verify")
        try:
            compact = _from_zbase32(request.signature)
        except ValueError as problem:
            raise Refusal(f"failed to decode signature: {problem}") from None
        if len(compact) != 65:
            return lnrpc.VerifyMessageResponse()
        signature = compact[1:] + bytes([(compact[0] - 27) & 3])
        try:
            key = coincurve.PublicKey.from_signature_and_message(
                signature, _digest(request.msg, single=False), hasher=None
            )
        except Exception:  # noqa: BLE001 - coincurve raises a plain Exception where nothing fits
            return lnrpc.VerifyMessageResponse()
        node_id = key.format().hex()
        return lnrpc.VerifyMessageResponse(valid=self.network.node_row(node_id) is not None, pubkey=node_id)


def _digest(message: bytes, *, single: bool) -> bytes:
    digest = hashlib.sha256(_SIGNED_PREFIX + message).digest()
    return digest if single else hashlib.sha256(digest).digest()


def _key_hash(key: coincurve.PrivateKey) -> bytes:
    """Return 20 bytes for a key; nobody will ever spend from it, so which hash it is does not matter."""
    return hashlib.sha256(key.public_key.format()).digest()[:20]


def _to_zbase32(data: bytes) -> str:
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    return "".join(_ALPHABET[int(bits[place : place + 5], 2)] for place in range(0, len(bits), 5))


def _from_zbase32(text: str) -> bytes:
    bits = ""
    for character in text:
        if character not in _ALPHABET:
            raise ValueError(f"illegal z-base-32 data at input byte {text.index(character)}")
        bits += f"{_ALPHABET.index(character):05b}"
    return bytes(int(bits[place : place + 8], 2) for place in range(0, len(bits) - 7, 8))

"""What LND asks of a macaroon before each method, and what its own macaroons allow.

A method with several permissions needs them all. One that is not in the table is
refused with any macaroon: LND has no permissions for `XFindBaseLocalChanAlias`.
Source: LND `rpcserver.go`, `rpcperms/interceptor.go`, `lnrpc/*/*.go` at 90ea05d.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

URI = "uri"
"""The entity of a permission for one method; its action is the method's path."""

_TABLE = """
chainrpc.ChainKit/GetBestBlock onchain:read
chainrpc.ChainKit/GetBlock onchain:read
chainrpc.ChainKit/GetBlockHash onchain:read
chainrpc.ChainKit/GetBlockHeader onchain:read
chainrpc.ChainNotifier/RegisterBlockEpochNtfn onchain:read
chainrpc.ChainNotifier/RegisterConfirmationsNtfn onchain:read
chainrpc.ChainNotifier/RegisterSpendNtfn onchain:read
invoicesrpc.Invoices/AddHoldInvoice invoices:write
invoicesrpc.Invoices/CancelInvoice invoices:write
invoicesrpc.Invoices/HtlcModifier invoices:write
invoicesrpc.Invoices/LookupInvoiceV2 invoices:write
invoicesrpc.Invoices/SettleInvoice invoices:write
invoicesrpc.Invoices/SubscribeSingleInvoice invoices:read
lnrpc.Lightning/AbandonChannel offchain:write
lnrpc.Lightning/AddInvoice invoices:write
lnrpc.Lightning/BakeMacaroon macaroon:generate
lnrpc.Lightning/BatchOpenChannel onchain:write offchain:write
lnrpc.Lightning/ChannelAcceptor onchain:write offchain:write
lnrpc.Lightning/ChannelBalance offchain:read
lnrpc.Lightning/CheckMacaroonPermissions macaroon:read
lnrpc.Lightning/CloseChannel onchain:write offchain:write
lnrpc.Lightning/ClosedChannels offchain:read
lnrpc.Lightning/ConnectPeer peers:write
lnrpc.Lightning/DebugLevel info:write
lnrpc.Lightning/DecodePayReq offchain:read
lnrpc.Lightning/DeleteAllPayments offchain:write
lnrpc.Lightning/DeleteCanceledInvoice invoices:write
lnrpc.Lightning/DeleteMacaroonID macaroon:write
lnrpc.Lightning/DeletePayment offchain:write
lnrpc.Lightning/DescribeGraph info:read
lnrpc.Lightning/DisconnectPeer peers:write
lnrpc.Lightning/EstimateFee onchain:read
lnrpc.Lightning/ExportAllChannelBackups offchain:read
lnrpc.Lightning/ExportChannelBackup offchain:read
lnrpc.Lightning/FeeReport offchain:read
lnrpc.Lightning/ForwardingHistory offchain:read
lnrpc.Lightning/FundingStateStep onchain:write offchain:write
lnrpc.Lightning/GetChanInfo info:read
lnrpc.Lightning/GetDebugInfo info:read offchain:read onchain:read peers:read
lnrpc.Lightning/GetInfo info:read
lnrpc.Lightning/GetNetworkInfo info:read
lnrpc.Lightning/GetNodeInfo info:read
lnrpc.Lightning/GetNodeMetrics info:read
lnrpc.Lightning/GetRecoveryInfo info:read
lnrpc.Lightning/GetTransactions onchain:read
lnrpc.Lightning/ListAliases offchain:read
lnrpc.Lightning/ListChannels offchain:read
lnrpc.Lightning/ListInvoices invoices:read
lnrpc.Lightning/ListMacaroonIDs macaroon:read
lnrpc.Lightning/ListPayments offchain:read
lnrpc.Lightning/ListPeers peers:read
lnrpc.Lightning/ListPermissions info:read
lnrpc.Lightning/ListUnspent onchain:read
lnrpc.Lightning/LookupHtlcResolution offchain:read
lnrpc.Lightning/LookupInvoice invoices:read
lnrpc.Lightning/NewAddress address:write
lnrpc.Lightning/OpenChannel onchain:write offchain:write
lnrpc.Lightning/OpenChannelSync onchain:write offchain:write
lnrpc.Lightning/PendingChannels offchain:read
lnrpc.Lightning/QueryRoutes info:read
lnrpc.Lightning/RegisterRPCMiddleware macaroon:write
lnrpc.Lightning/RestoreChannelBackups offchain:write
lnrpc.Lightning/SendCoins onchain:write
lnrpc.Lightning/SendCustomMessage offchain:write
lnrpc.Lightning/SendMany onchain:write
lnrpc.Lightning/SendOnionMessage offchain:write
lnrpc.Lightning/SignMessage message:write
lnrpc.Lightning/StopDaemon info:write
lnrpc.Lightning/SubscribeChannelBackups offchain:read
lnrpc.Lightning/SubscribeChannelEvents offchain:read
lnrpc.Lightning/SubscribeChannelGraph info:read
lnrpc.Lightning/SubscribeCustomMessages offchain:read
lnrpc.Lightning/SubscribeInvoices invoices:read
lnrpc.Lightning/SubscribeOnionMessages offchain:read
lnrpc.Lightning/SubscribePeerEvents peers:read
lnrpc.Lightning/SubscribeTransactions onchain:read
lnrpc.Lightning/UpdateChannelPolicy offchain:write
lnrpc.Lightning/VerifyChanBackup offchain:read
lnrpc.Lightning/VerifyMessage message:read
lnrpc.Lightning/WalletBalance onchain:read
lnrpc.State/GetState
lnrpc.State/SubscribeState
lnrpc.WalletUnlocker/ChangePassword
lnrpc.WalletUnlocker/GenSeed
lnrpc.WalletUnlocker/InitWallet
lnrpc.WalletUnlocker/UnlockWallet
peersrpc.Peers/UpdateNodeAnnouncement peers:write
routerrpc.Router/BuildRoute offchain:read
routerrpc.Router/DeleteForwardingHistory offchain:write
routerrpc.Router/EstimateRouteFee offchain:read
routerrpc.Router/GetMissionControlConfig offchain:read
routerrpc.Router/HtlcInterceptor offchain:write
routerrpc.Router/QueryMissionControl offchain:read
routerrpc.Router/QueryProbability offchain:read
routerrpc.Router/ResetMissionControl offchain:write
routerrpc.Router/SendPaymentV2 offchain:write
routerrpc.Router/SendToRouteV2 offchain:write
routerrpc.Router/SetMissionControlConfig offchain:write
routerrpc.Router/SubscribeHtlcEvents offchain:read
routerrpc.Router/TrackPaymentV2 offchain:read
routerrpc.Router/TrackPayments offchain:read
routerrpc.Router/UpdateChanStatus offchain:write
routerrpc.Router/XAddLocalChanAliases offchain:write
routerrpc.Router/XDeleteLocalChanAliases offchain:write
routerrpc.Router/XImportMissionControl offchain:write
signrpc.Signer/ComputeInputScript signer:generate
signrpc.Signer/DeriveSharedKey signer:generate
signrpc.Signer/MuSig2Cleanup signer:generate
signrpc.Signer/MuSig2CombineKeys signer:read
signrpc.Signer/MuSig2CombineSig signer:generate
signrpc.Signer/MuSig2CreateSession signer:generate
signrpc.Signer/MuSig2GetCombinedNonce signer:read
signrpc.Signer/MuSig2RegisterCombinedNonce signer:generate
signrpc.Signer/MuSig2RegisterNonces signer:generate
signrpc.Signer/MuSig2Sign signer:generate
signrpc.Signer/SignMessage signer:generate
signrpc.Signer/SignOutputRaw signer:generate
signrpc.Signer/VerifyMessage signer:read
verrpc.Versioner/GetVersion info:read
walletrpc.WalletKit/BumpFee onchain:write
walletrpc.WalletKit/BumpForceCloseFee onchain:write
walletrpc.WalletKit/DeriveKey address:read
walletrpc.WalletKit/DeriveNextKey address:read
walletrpc.WalletKit/EstimateFee onchain:read
walletrpc.WalletKit/FinalizePsbt onchain:write
walletrpc.WalletKit/FundPsbt onchain:write
walletrpc.WalletKit/GetTransaction onchain:read
walletrpc.WalletKit/ImportAccount onchain:write
walletrpc.WalletKit/ImportPublicKey onchain:write
walletrpc.WalletKit/ImportTapscript onchain:write
walletrpc.WalletKit/LabelTransaction onchain:write
walletrpc.WalletKit/LeaseOutput onchain:write
walletrpc.WalletKit/ListAccounts onchain:read
walletrpc.WalletKit/ListAddresses onchain:read
walletrpc.WalletKit/ListLeases onchain:read
walletrpc.WalletKit/ListSweeps onchain:read
walletrpc.WalletKit/ListUnspent onchain:read
walletrpc.WalletKit/NextAddr address:read
walletrpc.WalletKit/PendingSweeps onchain:read
walletrpc.WalletKit/PublishTransaction onchain:write
walletrpc.WalletKit/ReleaseOutput onchain:write
walletrpc.WalletKit/RemoveTransaction onchain:write
walletrpc.WalletKit/RequiredReserve onchain:read
walletrpc.WalletKit/SendOutputs onchain:write
walletrpc.WalletKit/SignMessageWithAddr onchain:write
walletrpc.WalletKit/SignPsbt onchain:write
walletrpc.WalletKit/SubmitPackage onchain:write
walletrpc.WalletKit/VerifyMessageWithAddr onchain:write
walletrpc.WalletKit/XCreateAccount onchain:write
wtclientrpc.WatchtowerClient/AddTower offchain:write
wtclientrpc.WatchtowerClient/DeactivateTower offchain:write
wtclientrpc.WatchtowerClient/GetTowerInfo offchain:read
wtclientrpc.WatchtowerClient/ListTowers offchain:read
wtclientrpc.WatchtowerClient/Policy offchain:read
wtclientrpc.WatchtowerClient/RemoveTower offchain:write
wtclientrpc.WatchtowerClient/Stats offchain:read
wtclientrpc.WatchtowerClient/TerminateSession offchain:write
"""


class Permission(NamedTuple):
    """What a macaroon allows: an action on an entity, or `uri` and a method's path. Printed `offchain:read`."""

    entity: str
    action: str

    def __str__(self) -> str:
        return f"{self.entity}:{self.action}"

    @classmethod
    def parse(cls, text: str) -> "Permission":
        """Read `offchain:read` or `uri:/lnrpc.Lightning/GetInfo`; raises ValueError for anything else."""
        entity, separator, action = text.partition(":")
        if not (separator and entity and action):
            raise ValueError(f"{text[:80]!r} is not a permission (entity:action, or uri:/package.Service/Method)")
        return cls(entity, action)


def _set(text: str) -> frozenset[Permission]:
    return frozenset(map(Permission.parse, text.split()))


def _table() -> Mapping[str, frozenset[Permission]]:
    rows = (line.partition(" ") for line in _TABLE.split("\n")[1:-1])
    return MappingProxyType({f"/{path}": _set(permissions) for path, _, permissions in rows})


REQUIRED = _table()
"""The permissions that each method needs, by its path; none for State and WalletUnlocker, which need no macaroon."""

ENTITIES = (
    "onchain",
    "offchain",
    "address",
    "message",
    "remotesigner",
    "peers",
    "info",
    "invoices",
    "signer",
    "macaroon",
    URI,
)
"""The entities that LND bakes, in the order in which its error text lists them."""
ACTIONS = ("read", "write", "generate")

READONLY = _set(
    "address:read info:read invoices:read macaroon:read message:read offchain:read onchain:read peers:read signer:read"
)
ADMIN = READONLY | _set(
    "address:write info:write invoices:write macaroon:generate macaroon:write message:write"
    " offchain:write onchain:write peers:write remotesigner:generate signer:generate"
)
INVOICE = _set("address:read address:write invoices:read invoices:write onchain:read")

MACAROON_FILES = MappingProxyType(
    {
        "admin.macaroon": ADMIN,
        "readonly.macaroon": READONLY,
        "invoice.macaroon": INVOICE,
        "chainnotifier.macaroon": _set("onchain:read"),
        "invoices.macaroon": _set("invoices:read invoices:write"),
        "router.macaroon": _set("offchain:read offchain:write"),
        "signer.macaroon": _set("signer:generate signer:read"),
        "walletkit.macaroon": _set("address:read address:write onchain:read onchain:write"),
    }
)
"""The macaroons that LND writes into its network directory, by file name."""


def allows(granted: Iterable[Permission], path: str) -> bool:
    """Return whether these permissions allow the method: all that it requires, or its own `uri:`."""
    held = frozenset(granted)
    required = REQUIRED.get(path)
    if required is None:
        return False
    return required <= held or Permission(URI, path) in held

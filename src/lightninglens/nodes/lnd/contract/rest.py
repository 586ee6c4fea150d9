"""Where LND's REST proxy has each method: verb, path template, and whether the request is the body.

A template's `{field}` is a field of the request, by its name in the contract. With
body, the other fields are its JSON; without, they are the query.
Source: LND `lnrpc/**/*.yaml` at 90ea05d.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_TABLE = """
chainrpc.ChainKit/GetBestBlock GET /v2/chainkit/bestblock
chainrpc.ChainKit/GetBlock GET /v2/chainkit/block
chainrpc.ChainKit/GetBlockHash GET /v2/chainkit/blockhash
chainrpc.ChainKit/GetBlockHeader GET /v2/chainkit/blockheader
chainrpc.ChainNotifier/RegisterBlockEpochNtfn POST /v2/chainnotifier/register/blocks *
chainrpc.ChainNotifier/RegisterConfirmationsNtfn POST /v2/chainnotifier/register/confirmations *
chainrpc.ChainNotifier/RegisterSpendNtfn POST /v2/chainnotifier/register/spends *
invoicesrpc.Invoices/AddHoldInvoice POST /v2/invoices/hodl *
invoicesrpc.Invoices/CancelInvoice POST /v2/invoices/cancel *
invoicesrpc.Invoices/HtlcModifier POST /v2/invoices/htlcmodifier *
invoicesrpc.Invoices/LookupInvoiceV2 GET /v2/invoices/lookup
invoicesrpc.Invoices/SettleInvoice POST /v2/invoices/settle *
invoicesrpc.Invoices/SubscribeSingleInvoice GET /v2/invoices/subscribe/{r_hash}
lnrpc.Lightning/AbandonChannel DELETE /v1/channels/abandon/{channel_point.funding_txid_str}/{channel_point.output_index}
lnrpc.Lightning/AddInvoice POST /v1/invoices *
lnrpc.Lightning/BakeMacaroon POST /v1/macaroon *
lnrpc.Lightning/BatchOpenChannel POST /v1/channels/batch *
lnrpc.Lightning/ChannelAcceptor POST /v1/channels/acceptor *
lnrpc.Lightning/ChannelBalance GET /v1/balance/channels
lnrpc.Lightning/CheckMacaroonPermissions POST /v1/macaroon/checkpermissions *
lnrpc.Lightning/CloseChannel DELETE /v1/channels/{channel_point.funding_txid_str}/{channel_point.output_index}
lnrpc.Lightning/ClosedChannels GET /v1/channels/closed
lnrpc.Lightning/ConnectPeer POST /v1/peers *
lnrpc.Lightning/DebugLevel POST /v1/debuglevel *
lnrpc.Lightning/DecodePayReq GET /v1/payreq/{pay_req}
lnrpc.Lightning/DeleteAllPayments DELETE /v1/payments
lnrpc.Lightning/DeleteCanceledInvoice DELETE /v1/invoices
lnrpc.Lightning/DeleteMacaroonID DELETE /v1/macaroon/{root_key_id}
lnrpc.Lightning/DeletePayment DELETE /v1/payment
lnrpc.Lightning/DescribeGraph GET /v1/graph
lnrpc.Lightning/DisconnectPeer DELETE /v1/peers/{pub_key}
lnrpc.Lightning/EstimateFee GET /v1/transactions/fee
lnrpc.Lightning/ExportAllChannelBackups GET /v1/channels/backup
lnrpc.Lightning/ExportChannelBackup GET /v1/channels/backup/{chan_point.funding_txid_str}/{chan_point.output_index}
lnrpc.Lightning/FeeReport GET /v1/fees
lnrpc.Lightning/ForwardingHistory POST /v1/switch *
lnrpc.Lightning/FundingStateStep POST /v1/funding/step *
lnrpc.Lightning/GetChanInfo GET /v1/graph/edge/{chan_id}
lnrpc.Lightning/GetDebugInfo GET /v1/getdebuginfo
lnrpc.Lightning/GetInfo GET /v1/getinfo
lnrpc.Lightning/GetNetworkInfo GET /v1/graph/info
lnrpc.Lightning/GetNodeInfo GET /v1/graph/node/{pub_key}
lnrpc.Lightning/GetNodeMetrics GET /v1/graph/nodemetrics
lnrpc.Lightning/GetRecoveryInfo GET /v1/getrecoveryinfo
lnrpc.Lightning/GetTransactions GET /v1/transactions
lnrpc.Lightning/ListAliases GET /v1/aliases/list
lnrpc.Lightning/ListChannels GET /v1/channels
lnrpc.Lightning/ListInvoices GET /v1/invoices
lnrpc.Lightning/ListMacaroonIDs GET /v1/macaroon/ids
lnrpc.Lightning/ListPayments GET /v1/payments
lnrpc.Lightning/ListPeers GET /v1/peers
lnrpc.Lightning/ListPermissions GET /v1/macaroon/permissions
lnrpc.Lightning/ListUnspent GET /v1/utxos
lnrpc.Lightning/LookupHtlcResolution GET /v1/htlc-resolution/{chan_id}/{htlc_index}
lnrpc.Lightning/LookupInvoice GET /v1/invoice/{r_hash_str}
lnrpc.Lightning/NewAddress GET /v1/newaddress
lnrpc.Lightning/OpenChannel POST /v1/channels/stream *
lnrpc.Lightning/OpenChannelSync POST /v1/channels *
lnrpc.Lightning/PendingChannels GET /v1/channels/pending
lnrpc.Lightning/QueryRoutes GET /v1/graph/routes/{pub_key}/{amt}
lnrpc.Lightning/QueryRoutes POST /v1/graph/routes/{pub_key}/{amt} *
lnrpc.Lightning/RegisterRPCMiddleware POST /v1/middleware
lnrpc.Lightning/RestoreChannelBackups POST /v1/channels/backup/restore *
lnrpc.Lightning/SendCoins POST /v1/transactions *
lnrpc.Lightning/SendCustomMessage POST /v1/custommessage *
lnrpc.Lightning/SendMany POST /v1/transactions/many *
lnrpc.Lightning/SendOnionMessage POST /v1/onionmessage *
lnrpc.Lightning/SignMessage POST /v1/signmessage *
lnrpc.Lightning/StopDaemon POST /v1/stop *
lnrpc.Lightning/SubscribeChannelBackups GET /v1/channels/backup/subscribe
lnrpc.Lightning/SubscribeChannelEvents GET /v1/channels/subscribe
lnrpc.Lightning/SubscribeChannelGraph GET /v1/graph/subscribe
lnrpc.Lightning/SubscribeCustomMessages GET /v1/custommessage/subscribe
lnrpc.Lightning/SubscribeInvoices GET /v1/invoices/subscribe
lnrpc.Lightning/SubscribeOnionMessages GET /v1/onionmessage/subscribe
lnrpc.Lightning/SubscribePeerEvents GET /v1/peers/subscribe
lnrpc.Lightning/SubscribeTransactions GET /v1/transactions/subscribe
lnrpc.Lightning/UpdateChannelPolicy POST /v1/chanpolicy *
lnrpc.Lightning/VerifyChanBackup POST /v1/channels/backup/verify *
lnrpc.Lightning/VerifyMessage POST /v1/verifymessage *
lnrpc.Lightning/WalletBalance GET /v1/balance/blockchain
lnrpc.State/GetState GET /v1/state
lnrpc.State/SubscribeState GET /v1/state/subscribe
lnrpc.WalletUnlocker/ChangePassword POST /v1/changepassword *
lnrpc.WalletUnlocker/GenSeed GET /v1/genseed
lnrpc.WalletUnlocker/InitWallet POST /v1/initwallet *
lnrpc.WalletUnlocker/UnlockWallet POST /v1/unlockwallet *
peersrpc.Peers/UpdateNodeAnnouncement POST /v2/peers/nodeannouncement *
routerrpc.Router/BuildRoute POST /v2/router/route *
routerrpc.Router/DeleteForwardingHistory POST /v2/router/fwdhistory/delete *
routerrpc.Router/EstimateRouteFee POST /v2/router/route/estimatefee *
routerrpc.Router/GetMissionControlConfig GET /v2/router/mccfg
routerrpc.Router/HtlcInterceptor POST /v2/router/htlcinterceptor *
routerrpc.Router/QueryMissionControl GET /v2/router/mc
routerrpc.Router/QueryProbability GET /v2/router/mc/probability/{from_node}/{to_node}/{amt_msat}
routerrpc.Router/ResetMissionControl POST /v2/router/mc/reset *
routerrpc.Router/SendPaymentV2 POST /v2/router/send *
routerrpc.Router/SendToRouteV2 POST /v2/router/route/send *
routerrpc.Router/SetMissionControlConfig POST /v2/router/mccfg *
routerrpc.Router/SubscribeHtlcEvents GET /v2/router/htlcevents
routerrpc.Router/TrackPaymentV2 GET /v2/router/track/{payment_hash}
routerrpc.Router/TrackPayments GET /v2/router/payments
routerrpc.Router/UpdateChanStatus POST /v2/router/updatechanstatus *
routerrpc.Router/XAddLocalChanAliases POST /v2/router/x/addaliases *
routerrpc.Router/XDeleteLocalChanAliases POST /v2/router/x/deletealiases *
routerrpc.Router/XFindBaseLocalChanAlias POST /v2/router/x/findbasealias *
routerrpc.Router/XImportMissionControl POST /v2/router/x/importhistory *
signrpc.Signer/ComputeInputScript POST /v2/signer/inputscript *
signrpc.Signer/DeriveSharedKey POST /v2/signer/sharedkey *
signrpc.Signer/MuSig2Cleanup POST /v2/signer/musig2/cleanup *
signrpc.Signer/MuSig2CombineKeys POST /v2/signer/musig2/combinekeys *
signrpc.Signer/MuSig2CombineSig POST /v2/signer/musig2/combinesig *
signrpc.Signer/MuSig2CreateSession POST /v2/signer/musig2/createsession *
signrpc.Signer/MuSig2GetCombinedNonce POST /v2/signer/musig2/getcombinednonce *
signrpc.Signer/MuSig2RegisterCombinedNonce POST /v2/signer/musig2/registercombinednonce *
signrpc.Signer/MuSig2RegisterNonces POST /v2/signer/musig2/registernonces *
signrpc.Signer/MuSig2Sign POST /v2/signer/musig2/sign *
signrpc.Signer/SignMessage POST /v2/signer/signmessage *
signrpc.Signer/SignOutputRaw POST /v2/signer/signraw *
signrpc.Signer/VerifyMessage POST /v2/signer/verifymessage *
verrpc.Versioner/GetVersion GET /v2/versioner/version
walletrpc.WalletKit/BumpFee POST /v2/wallet/bumpfee *
walletrpc.WalletKit/BumpForceCloseFee POST /v2/wallet/BumpForceCloseFee *
walletrpc.WalletKit/DeriveKey POST /v2/wallet/key *
walletrpc.WalletKit/DeriveNextKey POST /v2/wallet/key/next *
walletrpc.WalletKit/EstimateFee GET /v2/wallet/estimatefee/{conf_target}
walletrpc.WalletKit/FinalizePsbt POST /v2/wallet/psbt/finalize *
walletrpc.WalletKit/FundPsbt POST /v2/wallet/psbt/fund *
walletrpc.WalletKit/GetTransaction GET /v2/wallet/tx
walletrpc.WalletKit/ImportAccount POST /v2/wallet/accounts/import *
walletrpc.WalletKit/ImportPublicKey POST /v2/wallet/key/import *
walletrpc.WalletKit/ImportTapscript POST /v2/wallet/tapscript/import *
walletrpc.WalletKit/LabelTransaction POST /v2/wallet/tx/label *
walletrpc.WalletKit/LeaseOutput POST /v2/wallet/utxos/lease *
walletrpc.WalletKit/ListAccounts GET /v2/wallet/accounts
walletrpc.WalletKit/ListAddresses GET /v2/wallet/addresses
walletrpc.WalletKit/ListLeases POST /v2/wallet/utxos/leases
walletrpc.WalletKit/ListSweeps GET /v2/wallet/sweeps
walletrpc.WalletKit/ListUnspent POST /v2/wallet/utxos *
walletrpc.WalletKit/NextAddr POST /v2/wallet/address/next *
walletrpc.WalletKit/PendingSweeps GET /v2/wallet/sweeps/pending
walletrpc.WalletKit/PublishTransaction POST /v2/wallet/tx *
walletrpc.WalletKit/ReleaseOutput POST /v2/wallet/utxos/release *
walletrpc.WalletKit/RemoveTransaction POST /v2/wallet/removetx *
walletrpc.WalletKit/RequiredReserve GET /v2/wallet/reserve
walletrpc.WalletKit/SendOutputs POST /v2/wallet/send *
walletrpc.WalletKit/SignMessageWithAddr POST /v2/wallet/address/signmessage *
walletrpc.WalletKit/SignPsbt POST /v2/wallet/psbt/sign *
walletrpc.WalletKit/SubmitPackage POST /v2/wallet/tx/package *
walletrpc.WalletKit/VerifyMessageWithAddr POST /v2/wallet/address/verifymessage *
walletrpc.WalletKit/XCreateAccount POST /v2/wallet/accounts/create *
wtclientrpc.WatchtowerClient/AddTower POST /v2/watchtower/client *
wtclientrpc.WatchtowerClient/DeactivateTower POST /v2/watchtower/client/tower/deactivate/{pubkey}
wtclientrpc.WatchtowerClient/GetTowerInfo GET /v2/watchtower/client/info/{pubkey}
wtclientrpc.WatchtowerClient/ListTowers GET /v2/watchtower/client
wtclientrpc.WatchtowerClient/Policy GET /v2/watchtower/client/policy
wtclientrpc.WatchtowerClient/RemoveTower DELETE /v2/watchtower/client/{pubkey}
wtclientrpc.WatchtowerClient/Stats GET /v2/watchtower/client/stats
wtclientrpc.WatchtowerClient/TerminateSession POST /v2/watchtower/client/sessions/terminate/{session_id}
"""


@dataclass(frozen=True, slots=True)
class RestRoute:
    """One way to a method over HTTP."""

    verb: str
    template: str
    has_body: bool


def _routes() -> Mapping[str, tuple[RestRoute, ...]]:
    found: dict[str, tuple[RestRoute, ...]] = {}
    for line in _TABLE.split("\n")[1:-1]:
        path, verb, template, *body = line.split()
        found[f"/{path}"] = (*found.get(f"/{path}", ()), RestRoute(verb, template, has_body=body == ["*"]))
    return MappingProxyType(found)


ROUTES = _routes()
"""The ways to each method, the main one first, by its gRPC path."""

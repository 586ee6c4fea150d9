"""Payment requests that come in as text. Source: LND `rpcserver.go` (DecodePayReq), `zpay32/decode.go`."""

from lightninglens.core.bolt11 import InvoiceError, Network, SignedInvoice, decode
from lightninglens.core.units import MSAT_PER_SAT
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.contract.services import Lightning
from lightninglens.nodes.lnd.server.area import Area
from lightninglens.nodes.lnd.server.calls import Behaviours
from lightninglens.nodes.lnd.server.features import features
from lightninglens.nodes.lnd.server.messages import route_hint
from lightninglens.nodes.lnd.server.refusals import Refusal


def read_request(text: str, *, strict: bool = True) -> SignedInvoice:
    """Return an invoice for this network; raises Refusal."""
    try:
        invoice = decode(text.strip().removeprefix("lightning:"), strict=strict)
    except InvoiceError as problem:
        raise Refusal(f"invalid payment request: {problem}") from None
    if invoice.network is not Network.REGTEST:
        raise Refusal("invoice not for current active network 'regtest'")
    return invoice


class PaymentRequests(Area):
    """Reading payment requests."""

    def behaviours(self) -> Behaviours:
        """Return what this area serves."""
        return {Lightning.DecodePayReq.path: self.decode_pay_req}

    async def decode_pay_req(self, request: lnrpc.PayReqString) -> lnrpc.PayReq:
        """DecodePayReq."""
        invoice = read_request(request.pay_req, strict=False)
        amount_msat = invoice.amount_msat or 0
        return lnrpc.PayReq(
            destination=invoice.payee,
            payment_hash=invoice.payment_hash.hex(),
            num_satoshis=amount_msat // MSAT_PER_SAT,
            timestamp=invoice.timestamp_s,
            expiry=invoice.expiry_s,
            description=invoice.description or "",
            description_hash=(invoice.description_hash or b"").hex(),
            cltv_expiry=invoice.final_cltv_blocks,
            route_hints=[route_hint(hint) for hint in invoice.route_hints],
            payment_addr=invoice.payment_secret or b"",
            num_msat=amount_msat,
            features=features(invoice.features),
        )

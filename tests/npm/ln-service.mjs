// What programs built on ln-service ask LND for. Standard input: {payer, payee}, each [cert, macaroon, socket], and
// `circle`, the public keys of a way from the payer back to the payer. Standard output: the answers, as JSON.
import { readFileSync } from 'node:fs';

import * as lns from 'ln-service';

const { payer, payee, circle } = JSON.parse(readFileSync(0));
const connect = ([cert, macaroon, socket]) => lns.authenticatedLndGrpc({ cert, macaroon, socket }).lnd;
const lnd = connect(payer);
const receiver = connect(payee);
const refused = (call) => call.then(() => 'not refused', (problem) => problem);
const found = {};

found.info = await lns.getWalletInfo({ lnd });
found.version = await lns.getWalletVersion({ lnd });
found.identity = await lns.getIdentity({ lnd });
found.height = await lns.getHeight({ lnd });
found.channels = (await lns.getChannels({ lnd })).channels;
found.graph = await lns.getNetworkGraph({ lnd });
found.forwards = (await lns.getForwards({ lnd })).forwards;
found.fees = (await lns.getFeeRates({ lnd })).channels;
found.peers = (await lns.getPeers({ lnd })).peers;
found.balance = await lns.getChannelBalance({ lnd });
found.chain = await lns.getChainBalance({ lnd });
found.pending = await lns.getPendingChannels({ lnd });
found.closed = (await lns.getClosedChannels({ lnd })).channels;
found.reputations = await lns.getForwardingReputations({ lnd });
const { public_key: payeeKey } = await lns.getIdentity({ lnd: receiver });
found.node = await lns.getNode({ lnd, public_key: payeeKey });
found.unknownNode = await refused(lns.getNode({ lnd, public_key: '02' + '11'.repeat(32) }));
found.unknownChannel = await refused(lns.getChannel({ lnd, id: '1x1x1' }));
found.autopilot = await refused(lns.getAutopilot({ lnd }));

const { transaction_id, transaction_vout, id } = found.channels[0];
await lns.updateRoutingFees({ lnd, transaction_id, transaction_vout, fee_rate: 77, inbound_rate_discount: 10 });
found.channel = await lns.getChannel({ lnd, id });

const invoice = await lns.createInvoice({ lnd: receiver, tokens: 1000 });
found.decoded = await lns.decodePaymentRequest({ lnd, request: invoice.request });
found.paid = await lns.pay({ lnd, request: invoice.request });
found.invoice = await lns.getInvoice({ lnd: receiver, id: invoice.id });
const second = await lns.createInvoice({ lnd: receiver, tokens: 2000 });
found.paidByRequest = await lns.payViaPaymentRequest({ lnd, request: second.request, max_fee: 100 });

const { route } = await lns.getRouteToDestination({ lnd, destination: payeeKey, tokens: 1000 });
found.probe = await refused(lns.payViaRoutes({ lnd, routes: [route] }));
const own = await lns.createInvoice({ lnd, tokens: 3000 });
const around = { lnd, public_keys: circle, mtokens: '3000000', payment: own.payment, total_mtokens: '3000000' };
const built = await lns.getRouteThroughHops(around);
found.circle = await lns.payViaRoutes({ lnd, id: own.id, routes: [built.route] });
found.payments = (await lns.getPayments({ lnd })).payments;
found.invoices = (await lns.getInvoices({ lnd: receiver })).invoices;

console.log(JSON.stringify(found));
process.exit(0); // the connections would keep it running

/** Reads what the service sends: checks the envelope, cleans the text that others wrote. */

import { plainText, plainTexts, shortKey } from "../lib/text";
import type { Hello, NetworkNode, Payment, ServerMessage, Update } from "./types";

/** A message that does not follow the contract. */
export class UnreadableMessage extends Error {}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function requireShape(condition: boolean, what: string): asserts condition {
  if (!condition) {
    throw new UnreadableMessage(`the service sent a message without ${what}`);
  }
}

/** A node whose name can be shown. */
export function cleanNode(node: NetworkNode): NetworkNode {
  return { ...node, name: plainText(node.name) || shortKey(node.node_id) };
}

/** A payment whose texts can be shown. */
export function cleanPayment(payment: Payment): Payment {
  return {
    ...payment,
    sender_name: plainText(payment.sender_name) || shortKey(payment.sender_id),
    receiver_name: plainText(payment.receiver_name) || shortKey(payment.receiver_id),
    description: plainText(payment.description),
  };
}

const LEARNING = [
  "learner",
  "predictions",
  "suggestions",
  "errors",
  "alerts",
  "rebalances",
  "settings",
] as const;

/** The parts that are only there when there is news, cleaned. */
function readNews(fields: Fields): Partial<Update> {
  return Object.fromEntries(
    LEARNING.filter((key) => fields[key] != null).map((key) => [key, plainTexts(fields[key])]),
  );
}

const NOTHING_LEARNED = {
  learner: null,
  predictions: [],
  suggestions: [],
  errors: [],
  alerts: [],
  rebalances: [],
  settings: null,
} as const;

function readHello(fields: Fields): Hello {
  requireShape(typeof fields.session === "string", "a session");
  requireShape(isFields(fields.snapshot), "a snapshot");
  const { network, payments, stats } = fields.snapshot;
  requireShape(
    isFields(network) && Array.isArray(network.nodes) && Array.isArray(network.channels),
    "a network",
  );
  requireShape(Array.isArray(payments), "payments");
  requireShape(isFields(stats), "statistics");
  const hello = fields as unknown as Hello;
  return {
    ...hello,
    snapshot: {
      ...NOTHING_LEARNED,
      ...readNews(fields.snapshot),
      stats: hello.snapshot.stats,
      network: {
        ...hello.snapshot.network,
        name: plainText(hello.snapshot.network.name),
        nodes: hello.snapshot.network.nodes.map(cleanNode),
      },
      payments: hello.snapshot.payments.map(cleanPayment),
    },
  };
}

function readUpdate(fields: Fields): Update {
  requireShape(Array.isArray(fields.channels), "channels");
  requireShape(Array.isArray(fields.payments), "payments");
  requireShape(isFields(fields.stats), "statistics");
  const update = fields as unknown as Update;
  return { ...update, ...readNews(fields), payments: update.payments.map(cleanPayment) };
}

/** Parse one text frame; throws {@link UnreadableMessage} if it is not of the contract. */
export function parseMessage(text: string): ServerMessage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UnreadableMessage("the service sent text that is not JSON");
  }
  requireShape(isFields(value), "fields");
  requireShape(typeof value.seq === "number" && Number.isSafeInteger(value.seq), "a sequence number");
  try {
    if (value.type === "hello") {
      return readHello(value);
    }
    if (value.type === "update") {
      return readUpdate(value);
    }
  } catch (error) {
    throw error instanceof UnreadableMessage
      ? error
      : new UnreadableMessage("the service sent a message with a field of the wrong kind");
  }
  throw new UnreadableMessage("the service sent a message of unknown type");
}

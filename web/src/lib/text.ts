/**
 * Text that others wrote (aliases, descriptions), made safe to show.
 *
 * Control characters and the marks that reorder text are removed, so that an alias cannot
 * disguise itself as another one. React writes the result as a text node.
 */

// biome-ignore lint/suspicious/noControlCharactersInRegex: removing them is the purpose
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

const MAX_LENGTH = 200;

export function plainText(value: string, maxLength = MAX_LENGTH): string {
  const clean = value.replace(UNSAFE, "").trim();
  return clean.length > maxLength ? `${clean.slice(0, maxLength)}…` : clean;
}

const LONGEST_SENTENCE = 2_000;

/** Clean every text in what the service answered; numbers and structure stay as they are. */
export function plainTexts<T>(value: T): T {
  if (typeof value === "string") {
    return plainText(value, LONGEST_SENTENCE) as T;
  }
  if (Array.isArray(value)) {
    return value.map(plainTexts) as T;
  }
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plainTexts(item)])) as T;
  }
  return value;
}

/** End a text of the service's with a full stop, unless it has an end. */
export function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** Shorten a public key: `03ab12…cd34ef`. */
export function shortKey(nodeId: string): string {
  return nodeId.length > 14 ? `${nodeId.slice(0, 6)}…${nodeId.slice(-6)}` : nodeId;
}

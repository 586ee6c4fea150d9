/** Asks and orders over REST: errors as the service words them, the token only where something changes. */

import { plainTexts } from "../lib/text";
import type { TokenStore } from "../state/token";

export const PREFIX = "/api/v1";
const TIMEOUT_MS = 15_000;
/** An order is answered when it has ended, which takes as long as its payment. */
const ORDER_TIMEOUT_MS = 120_000;
const UNAUTHORISED = 401;

/** What the service could not or would not do, in its words. */
export class ServiceProblem extends Error {
  readonly status: number;
  readonly whatToDo: string;

  constructor(status: number, what: string, whatToDo: string) {
    super(what);
    this.status = status;
    this.whatToDo = whatToDo;
  }
}

export type Query = Readonly<Record<string, string | number | null | undefined>>;
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

interface ErrorBody {
  readonly error?: { readonly what?: unknown; readonly what_to_do?: unknown };
}

async function problemOf(response: Response): Promise<ServiceProblem> {
  let body: ErrorBody | null = null;
  try {
    body = plainTexts((await response.json()) as ErrorBody);
  } catch {
    // Not our service's form: the status is all there is to say.
  }
  const what = body?.error?.what;
  const todo = body?.error?.what_to_do;
  return new ServiceProblem(
    response.status,
    typeof what === "string" ? what : `the service answered ${response.status}`,
    typeof todo === "string" ? todo : "",
  );
}

export function queryText(query: Query): string {
  const fields = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") {
      fields.set(key, String(value));
    }
  }
  const text = fields.toString();
  return text === "" ? "" : `?${text}`;
}

export class Client {
  readonly #origin: string;
  readonly #fetch: Fetch;
  readonly #tokens: TokenStore;

  constructor(origin: string, tokens: TokenStore, fetch: Fetch) {
    this.#origin = origin;
    this.#fetch = fetch;
    this.#tokens = tokens;
  }

  /** Read something; throws {@link ServiceProblem}. */
  async read<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
    const limit = AbortSignal.timeout(TIMEOUT_MS);
    const response = await this.#send(path + queryText(query), {
      cache: "no-store",
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    });
    return this.#take<T>(response);
  }

  /**
   * Change something. Asks the reader for the token if there is none, and again while it is wrong.
   * Throws {@link ServiceProblem}, or Cancelled when the reader gives no token.
   */
  async order<T>(method: "POST" | "PATCH", path: string, body: unknown, what: string): Promise<T> {
    let token = this.#tokens.token ?? (await this.#tokens.ask(what, false));
    for (;;) {
      const response = await this.#send(path, {
        method,
        headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(ORDER_TIMEOUT_MS),
      });
      if (response.status !== UNAUTHORISED) {
        this.#tokens.accept(token);
        return this.#take<T>(response);
      }
      token = await this.#tokens.ask(what, true);
    }
  }

  async #send(path: string, init: RequestInit): Promise<Response> {
    try {
      return await this.#fetch(this.#origin + PREFIX + path, init);
    } catch (error) {
      if (init.signal?.aborted && error instanceof Error && error.name === "AbortError") {
        throw error;
      }
      throw new ServiceProblem(
        0,
        "the service does not answer",
        "is it running? `lens up` starts it over a lab, `lens run` over a node",
      );
    }
  }

  async #take<T>(response: Response): Promise<T> {
    if (!response.ok) {
      throw await problemOf(response);
    }
    try {
      return plainTexts((await response.json()) as T);
    } catch {
      throw new ServiceProblem(
        response.status,
        "the service answered what this page cannot read",
        "reload the page",
      );
    }
  }
}

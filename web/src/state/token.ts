/** The service's token: asked for when something is to be changed, kept for this tab only. */

/** The part of the browser's session storage that is used. */
export interface TabStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** The reader gave no token. */
export class Cancelled extends Error {}

export interface TokenQuestion {
  /** What is to be done with it, in words. */
  readonly what: string;
  /** Whether the last one did not fit. */
  readonly wasWrong: boolean;
}

export class TokenStore {
  readonly #storage: TabStorage;
  readonly #key: string;
  readonly #listeners = new Set<() => void>();
  #token: string | null;
  #question: TokenQuestion | null = null;
  #waiting: { resolve: (token: string) => void; reject: (reason: Cancelled) => void }[] = [];

  /** Tokens are kept apart by service: one is never sent to another. */
  constructor(storage: TabStorage, origin: string) {
    this.#storage = storage;
    this.#key = `lightninglens.token ${origin}`;
    this.#token = this.#stored();
  }

  get token(): string | null {
    return this.#token;
  }

  readonly question = (): TokenQuestion | null => this.#question;

  readonly isKnown = (): boolean => this.#token !== null;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Ask the reader; rejects with Cancelled. Several who ask at once share one answer. */
  ask(what: string, wasWrong: boolean): Promise<string> {
    if (wasWrong) {
      this.forget();
    }
    this.#question = { what, wasWrong };
    const answer = new Promise<string>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.#tell();
    return answer;
  }

  /** The reader's answer; it is kept once the service has taken it. */
  readonly give = (token: string): void => {
    const waiting = this.#close();
    for (const { resolve } of waiting) {
      resolve(token.trim());
    }
  };

  readonly cancel = (): void => {
    const waiting = this.#close();
    for (const { reject } of waiting) {
      reject(new Cancelled("no token was given"));
    }
  };

  /** The service took this token. */
  accept(token: string): void {
    if (token !== this.#token) {
      this.#token = token;
      try {
        this.#storage.setItem(this.#key, token);
      } catch {
        // Kept in memory, for as long as the page is open.
      }
      this.#tell();
    }
  }

  readonly forget = (): void => {
    this.#token = null;
    try {
      this.#storage.removeItem(this.#key);
    } catch {
      // It was never stored.
    }
    this.#tell();
  };

  #stored(): string | null {
    try {
      return this.#storage.getItem(this.#key);
    } catch {
      return null;
    }
  }

  #close() {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#question = null;
    this.#tell();
    return waiting;
  }

  #tell(): void {
    for (const listener of this.#listeners) {
      listener();
    }
  }
}

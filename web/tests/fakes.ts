import type { Socket, StreamPorts } from "../src/api/stream";

export class FakeSocket implements Socket {
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  isClosed = false;
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  close(): void {
    this.isClosed = true;
  }

  open(): void {
    this.onopen?.({} as Event);
  }

  receive(message: unknown): void {
    this.receiveText(JSON.stringify(message));
  }

  receiveText(data: string): void {
    this.onmessage?.({ data } as MessageEvent);
  }

  drop(): void {
    this.onclose?.({} as CloseEvent);
  }
}

interface Timer {
  readonly action: () => void;
  readonly at: number;
}

/** Sockets, a clock and a service that do what the test says. */
export class FakePorts implements StreamPorts {
  readonly sockets: FakeSocket[] = [];
  readonly #timers = new Map<number, Timer>();
  #now = 0;
  #nextTimer = 1;
  answers = true;
  probes = 0;

  readonly random = (): number => 1;

  readonly open = (path: string): FakeSocket => {
    const socket = new FakeSocket(path);
    this.sockets.push(socket);
    return socket;
  };

  readonly probe = async (): Promise<boolean> => {
    this.probes += 1;
    return this.answers;
  };

  readonly setTimer = (action: () => void, delayMs: number): number => {
    const timer = this.#nextTimer++;
    this.#timers.set(timer, { action, at: this.#now + delayMs });
    return timer;
  };

  readonly clearTimer = (timer: number): void => {
    this.#timers.delete(timer);
  };

  get last(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) {
      throw new Error("no socket was opened");
    }
    return socket;
  }

  /** Let time pass, and what it triggers happen. */
  async pass(ms: number): Promise<void> {
    this.#now += ms;
    for (const [timer, { action, at }] of [...this.#timers]) {
      if (at <= this.#now) {
        this.#timers.delete(timer);
        action();
      }
    }
    await Promise.resolve();
    await Promise.resolve();
  }
}

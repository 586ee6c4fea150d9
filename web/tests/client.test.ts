import { describe, expect, it } from "vitest";
import { serviceAddress } from "../src/api/address";
import { Client, queryText, ServiceProblem } from "../src/api/client";
import { Cancelled, type TabStorage, TokenStore } from "../src/state/token";

const HERE = "http://127.0.0.1:3000";

class FakeTab implements TabStorage {
  readonly items = new Map<string, string>();
  readonly getItem = (key: string): string | null => this.items.get(key) ?? null;
  readonly setItem = (key: string, value: string): void => {
    this.items.set(key, value);
  };
  readonly removeItem = (key: string): void => {
    this.items.delete(key);
  };
}

interface Sent {
  readonly url: string;
  readonly init: RequestInit;
}

function service(answers: (sent: Sent) => Response) {
  const sent: Sent[] = [];
  const tab = new FakeTab();
  const tokens = new TokenStore(tab, HERE);
  const client = new Client(HERE, tokens, async (url, init) => {
    sent.push({ url, init });
    return answers({ url, init });
  });
  return { client, tokens, tab, sent };
}

const json = (body: unknown, status = 200): Response => new Response(JSON.stringify(body), { status });
const refused = (status: number) =>
  json({ error: { what: "no longer open", where: "path", what_to_do: "see the list" } }, status);
const bearer = (sent: Sent): string => new Headers(sent.init.headers).get("authorization") ?? "";

describe("reading", () => {
  it("asks under the prefix, without a token, and leaves out what is empty", async () => {
    const { client, sent } = service(() => json({ a: 1 }));
    await client.read("/transactions", { search: "", limit: 5, before: null });
    expect(sent[0]?.url).toBe(`${HERE}/api/v1/transactions?limit=5`);
    expect(bearer(sent[0] as Sent)).toBe("");
    expect(queryText({})).toBe("");
  });

  it("cleans what others wrote", async () => {
    const { client } = service(() => json({ names: ["a\u202eb"] }));
    expect(await client.read("/nodes")).toEqual({ names: ["ab"] });
  });

  it("says what the service says, and what to do", async () => {
    const { client } = service(() => refused(409));
    await expect(client.read("/effects")).rejects.toMatchObject({
      status: 409,
      message: "no longer open",
      whatToDo: "see the list",
    });
  });

  it("says that nothing answers", async () => {
    const { client } = service(() => {
      throw new TypeError("connection refused");
    });
    await expect(client.read("/effects")).rejects.toBeInstanceOf(ServiceProblem);
  });
});

describe("ordering", () => {
  it("asks for the token once, and keeps it for the tab", async () => {
    const { client, tokens, tab, sent } = service(() => json({}));
    const first = client.order("POST", "/baseline", {}, "run the baseline");
    expect(tokens.question()).toEqual({ what: "run the baseline", wasWrong: false });
    tokens.give(" secret ");
    await first;
    await client.order("POST", "/baseline", {}, "run the baseline");
    expect(sent.map(bearer)).toEqual(["Bearer secret", "Bearer secret"]);
    expect([...tab.items.values()]).toEqual(["secret"]);
    expect(new TokenStore(tab, HERE).token).toBe("secret");
    expect(new TokenStore(tab, "http://localhost:4000").token).toBeNull();
  });

  it("asks again when the token is wrong, and does not keep it", async () => {
    const { client, tokens, tab } = service((sent) =>
      bearer(sent) === "Bearer right" ? json({ ok: true }) : refused(401),
    );
    const answer = client.order("POST", "/baseline", {}, "run it");
    tokens.give("wrong");
    await expect.poll(() => tokens.question()?.wasWrong).toBe(true);
    expect(tab.items.size).toBe(0);
    tokens.give("right");
    expect(await answer).toEqual({ ok: true });
  });

  it("sends nothing when the reader gives none", async () => {
    const { client, tokens, sent } = service(() => json({}));
    const answer = client.order("PATCH", "/settings", { paused: true }, "pause");
    tokens.cancel();
    await expect(answer).rejects.toBeInstanceOf(Cancelled);
    expect(sent).toHaveLength(0);
  });

  it("works without storage", async () => {
    const broken: TabStorage = {
      getItem: () => {
        throw new Error("forbidden");
      },
      setItem: () => {
        throw new Error("forbidden");
      },
      removeItem: () => {
        throw new Error("forbidden");
      },
    };
    const tokens = new TokenStore(broken, HERE);
    tokens.accept("kept in memory");
    expect(tokens.token).toBe("kept in memory");
    tokens.forget();
    expect(tokens.isKnown()).toBe(false);
  });
});

describe("the service's address", () => {
  it("is the page's own unless something else is named", () => {
    expect(serviceAddress(HERE, "", "")).toEqual({ origin: HERE, isElsewhere: false, problem: "" });
    expect(serviceAddress(HERE, null, "?other=1").isElsewhere).toBe(false);
  });

  it("may be named by the page, whatever it is", () => {
    const address = serviceAddress(
      "https://me.example",
      "https://lens.example/path",
      "?service=http://localhost:1",
    );
    expect(address).toEqual({ origin: "https://lens.example", isElsewhere: true, problem: "" });
  });

  it("may be named by a link on this machine only", () => {
    const page = "https://me.example";
    expect(serviceAddress(page, "", "?service=http://127.0.0.1:3000").origin).toBe(HERE);
    expect(serviceAddress(page, "", "?service=http://[::1]:3000").origin).toBe("http://[::1]:3000");
    const evil = serviceAddress(page, "", "?service=https://evil.example");
    expect(evil.origin).toBe(page);
    expect(evil.problem).toContain("evil.example");
  });

  it("is refused when it is none", () => {
    expect(serviceAddress(HERE, "javascript:alert(1)", "").problem).not.toBe("");
    expect(serviceAddress(HERE, "lens.example", "").origin).toBe(HERE);
  });
});

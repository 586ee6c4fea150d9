import { describe, expect, it } from "vitest";
import { type Command, findCommands } from "../src/lib/commands";
import { csvText } from "../src/lib/csv";
import { describeAttempt } from "../src/lib/failure";
import { formatBytes, formatGain, formatSpan } from "../src/lib/format";
import { joined } from "../src/lib/log";
import { clampMoment, helloOf, nextMoment } from "../src/lib/replay";
import { parseRoute, RouteStore, rangeStartMs, routeText } from "../src/state/route";
import { worldFromHello } from "../src/state/world";
import { ALICE, BOB, CAROL, makeHello, makePayment, makeRun, makeStats, nameOf } from "./fixtures";

const plain = (text: string): string => text.replaceAll("\u202f", " ");

describe("the place in the URL", () => {
  it.each(["#/overview", "#/rebalance?range=6h", "#/simulator?run=r-1", "#/network?range=all"])(
    "%s",
    (hash) => {
      expect(routeText(parseRoute(hash))).toBe(hash);
    },
  );

  it.each(["", "#", "#/nowhere?range=2y&run=", "#//"])("falls back from “%s”", (hash) => {
    expect(parseRoute(hash)).toEqual({ place: "overview", range: "24h", run: null });
  });

  it("keeps the range from place to place", () => {
    let written = "#/channels?range=7d";
    let changed = () => {};
    const store = new RouteStore({
      read: () => written,
      write: (hash) => {
        written = hash;
      },
      onChange: (listener) => {
        changed = listener;
      },
    });
    store.go({ place: "rebalance" });
    expect(written).toBe("#/rebalance?range=7d");
    written = "#/missed";
    changed();
    expect(store.get().place).toBe("missed");
  });

  it("knows where a range begins", () => {
    expect(rangeStartMs("1h", 10_000_000)).toBe(6_400_000);
    expect(rangeStartMs("all", 10_000_000)).toBeNull();
  });
});

describe("a CSV file", () => {
  it("quotes what needs it and leaves out what is not known", () => {
    expect(csvText(["a", "b"], [['say "hi", you', null]])).toBe('a,b\r\n"say ""hi"", you",\r\n');
  });

  it("runs nothing in a spreadsheet, and leaves numbers alone", () => {
    expect(csvText(["a", "b"], [["=1+1", -5]])).toBe("a,b\r\n'=1+1,-5\r\n");
  });
});

describe("the palette", () => {
  const command = (id: string, group: Command["group"], label: string, detail = ""): Command => ({
    id,
    group,
    label,
    detail,
    run: () => {},
  });
  const commands = [
    command("1", "place", "Go to Channels"),
    command("2", "channel", "lnd-alice – lnd-bob", "103x1x0"),
    command("3", "node", "lnd-bob", "02bb"),
  ];

  it("begins with places and actions", () => {
    expect(findCommands(commands, "").map(({ id }) => id)).toEqual(["1"]);
  });

  it("finds by every word, in label or detail, the best first", () => {
    expect(findCommands(commands, "bob").map(({ id }) => id)).toEqual(["2", "3"]);
    expect(findCommands(commands, "lnd-bob")[0]?.id).toBe("3");
    expect(findCommands(commands, "103x1x0").map(({ id }) => id)).toEqual(["2"]);
    expect(findCommands(commands, "bob dave")).toEqual([]);
  });
});

describe("the log", () => {
  it("has each payment once", () => {
    const [one, two, three] = [1, 2, 3].map((payment_id) => makePayment({ payment_id }));
    if (one === undefined || two === undefined || three === undefined) {
      throw new Error("three payments were made");
    }
    expect(joined([three, two], [two, one]).map(({ payment_id }) => payment_id)).toEqual([3, 2, 1]);
  });

  it("says where an attempt failed", () => {
    const attempt = {
      started_ms: 0,
      ended_ms: 9,
      route_channel_ids: ["103x1x0", "104x1x0"],
      route_node_ids: [ALICE, BOB, CAROL],
      hop_amounts_msat: [10, 9],
      settled: false,
      failed_hop: 1,
      code: "TEMPORARY_CHANNEL_FAILURE",
      detail: "INSUFFICIENT_BALANCE",
    };
    expect(describeAttempt(attempt, nameOf)).toBe("too little balance: bob → carol");
    expect(describeAttempt({ ...attempt, failed_hop: null, detail: "" }, nameOf)).toBe(
      "the channel could not carry it at that moment",
    );
  });
});

describe("a replay", () => {
  const run = makeRun();

  it("stays within the recording and ends at its end", () => {
    expect(clampMoment(run, 5)).toBe(1_000_000);
    expect(nextMoment(run, 1_000_000, 60)).toBe(1_060_000);
    expect(nextMoment(run, 1_990_000, 60)).toBe(2_000_000);
    expect(nextMoment(run, 2_000_000, 60)).toBeNull();
  });

  it("is shown like the live world, and says of what kind it was", () => {
    const { network } = makeHello(1).snapshot;
    const moment = {
      network,
      payments: [makePayment()],
      stats: makeStats(),
      world_start_ms: 1_000_000,
      world_end_ms: 2_000_000,
    };
    const world = worldFromHello(helloOf(run, moment, 3));
    expect(world.network.mode).toBe("simulated");
    expect(world.session).toBe("run run-1");
    expect(world.payments).toHaveLength(1);
    expect(world.learner).toBeNull();
  });
});

describe("more numbers", () => {
  it("have signs, sizes and lengths", () => {
    expect(plain(formatGain(1_240_000, "sat").value)).toBe("+1 240");
    expect(plain(formatGain(-300, "sat").value)).toBe("−0.300");
    expect(formatGain(5, "hidden").value).toBe("•••");
    expect(plain(formatBytes(999))).toBe("999 B");
    expect(plain(formatBytes(1_250_000))).toBe("1.3 MB");
    expect(plain(formatSpan(26 * 3_600_000))).toBe("1 d 2 h");
    expect(plain(formatSpan(90_000))).toBe("1 min");
    expect(plain(formatSpan(-5))).toBe("0 s");
  });
});

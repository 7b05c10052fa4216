import { describe, expect, test } from "vitest";

import type { Health, Received } from "../../src/ipc/types";
import { judge, type Known, LOSS, measure, type Rates, remember } from "../../src/rules/health";

const received = (change: Partial<Received> = {}): Received => ({
  bytes: 0,
  packets: 0,
  lost: 0,
  jitter_ms: 2,
  picture: null,
  ...change,
});
const health = (elapsed_s: number, change: Partial<Health> = {}): Health => ({
  elapsed_s,
  round_trip_ms: 4,
  uplink_loss: 0,
  sent: { bytes: 0, frames: 0 },
  people: {},
  ...change,
});

describe("rates", () => {
  test("are made between two answers", () => {
    const picture = { width: 640, height: 360, frames: 100, layer: 2 };
    const before = health(10, { people: { ann: received({ bytes: 1000, packets: 100, lost: 5, picture }) } });
    const after = health(14, {
      sent: { bytes: 1_000_000, frames: 100 },
      people: { ann: received({ bytes: 501_000, packets: 190, lost: 15, picture: { ...picture, frames: 200 } }) },
    });
    const rates = measure([before, after]);
    expect(rates).toMatchObject({ roundTripMs: 4, sentBps: 2e6, sentFps: 25 });
    expect(rates?.people.get("ann")).toEqual({
      loss: 0.1,
      expected: 100,
      jitterMs: 2,
      bps: 1e6,
      picture: { width: 640, height: 360, fps: 25, layer: 2 },
    });
  });

  test("need two moments", () => {
    expect(measure([])).toBeNull();
    expect(measure([health(3)])).toBeNull();
    expect(measure([health(3), health(3)])).toBeNull();
  });

  test("take a counter that fell for one that began anew, and a repair for no loss", () => {
    const rates = measure([
      health(0, { people: { ann: received({ packets: 900, lost: 9 }) } }),
      health(1, { people: { ann: received({ packets: 50, lost: 1 }) } }),
    ]);
    expect(rates?.people.get("ann")).toMatchObject({ expected: 51 });
    expect(rates?.people.get("ann")?.loss).toBeCloseTo(1 / 51);
  });

  test("are over five seconds, however long somebody looks", () => {
    let kept: Health[] = [];
    for (let second = 0; second < 1000; second += 1) kept = remember(kept, health(second));
    expect(kept.map(({ elapsed_s }) => elapsed_s)).toEqual([994, 995, 996, 997, 998, 999]);
  });

  test("begin anew with another call", () => {
    expect(remember([health(100), health(101)], health(1)).map(({ elapsed_s }) => elapsed_s)).toEqual([1]);
    expect(remember([health(1)], health(1))).toHaveLength(1);
  });
});

const known = (id: string, change: Partial<Known> = {}): Known => ({
  id,
  isMe: id === "me",
  isReconnecting: false,
  isHeldBack: false,
  ...change,
});
const everybody = [known("ann"), known("bo"), known("cy"), known("me")];

/** Rates in which each loses so much. */
function losing(people: Record<string, number>, change: Partial<Rates> = {}): Rates {
  const rates = Object.entries(people).map(
    ([id, loss]) => [id, { loss, expected: 100, jitterMs: 1, bps: 1e6, picture: null }] as const,
  );
  return { roundTripMs: 4, uplinkLoss: 0, sentBps: 1e6, sentFps: 25, people: new Map(rates), ...change };
}

const said = (rates: Rates | null, people = everybody, connection: Parameters<typeof judge>[2] = "live") =>
  Object.fromEntries(judge(rates, people, connection));

describe("the verdict", () => {
  test("is that all is well until a loss is seen and heard", () => {
    expect(said(losing({ ann: 0, bo: LOSS - 0.001, cy: 0 }))).toEqual({});
    expect(said(null)).toEqual({});
  });

  test("is theirs when one of several loses", () => {
    expect(said(losing({ ann: 0, bo: 1 / 12, cy: 0 }))).toEqual({ bo: { kind: "theirs", oneIn: 12 } });
  });

  test("is ours when all of several lose", () => {
    expect(said(losing({ ann: 0.1, bo: 0.1, cy: 0.1 }))).toEqual({ me: { kind: "receiving", oneIn: 10 } });
  });

  test("of two people is open, unless our way is known to lose", () => {
    const two = [known("ann"), known("me")];
    expect(said(losing({ ann: 0.05 }), two)).toEqual({ ann: { kind: "between", oneIn: 20 } });
    expect(said(losing({ ann: 0.05 }, { uplinkLoss: 0.04 }), two)).toEqual({ me: { kind: "receiving", oneIn: 20 } });
  });

  test("is ours for certain when the host misses our packets", () => {
    expect(said(losing({ ann: 0, bo: 0, cy: 0 }, { uplinkLoss: 0.25 }))).toEqual({ me: { kind: "sending", oneIn: 4 } });
    // Where nobody counts, nothing is said.
    expect(said(losing({ ann: 0, bo: 0, cy: 0 }, { uplinkLoss: null }))).toEqual({});
  });

  test("tells a loss of ours and one of theirs at once", () => {
    expect(said(losing({ ann: 0, bo: 0.1, cy: 0 }, { uplinkLoss: 0.25 }))).toEqual({
      me: { kind: "sending", oneIn: 4 },
      bo: { kind: "theirs", oneIn: 10 },
    });
  });

  test("asks nothing of those of whom hardly anything came", () => {
    const rates = losing({ ann: 0.5, bo: 0.1 });
    const quiet = new Map([...rates.people].map(([id, each]) => [id, id === "ann" ? { ...each, expected: 3 } : each]));
    expect(said({ ...rates, people: quiet })).toEqual({ bo: { kind: "between", oneIn: 10 } });
  });

  test("of a lost connection is that alone", () => {
    const rates = losing({ ann: 0.9, bo: 0.9, cy: 0.9 });
    expect(said(rates, everybody, "reconnecting")).toEqual({ me: { kind: "reconnecting" } });
    expect(said(rates, everybody, "capture_stopped")).toEqual({ me: { kind: "reconnecting" } });
  });

  test("knows who fell silent, and whose picture the network does not carry", () => {
    const people = [known("ann", { isReconnecting: true }), known("bo", { isHeldBack: true }), known("me", { isHeldBack: true })];
    expect(said(losing({ ann: 1, bo: 0 }), people)).toEqual({
      ann: { kind: "reconnecting" },
      bo: { kind: "held_back" },
      me: { kind: "held_back" },
    });
  });

  test("tells a long way, but a loss rather than that", () => {
    expect(said(losing({ ann: 0 }, { roundTripMs: 512.4 }))).toEqual({ me: { kind: "slow", ms: 512 } });
    expect(said(losing({ ann: 0 }, { roundTripMs: 512, uplinkLoss: 0.5 }))).toEqual({ me: { kind: "sending", oneIn: 2 } });
  });
});

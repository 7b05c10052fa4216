// Who is losing packets, and on which side: what is measured here, and a verdict on it.
//
// What somebody sends comes by their way to the host and by ours from it. A loss that all of several
// people show at once is therefore ours; one that a single person shows among others is theirs; of a
// single other person it can be either. What we send we are told about by the host, so that loss is
// ours for certain.

import type { Connection, Health, Received } from "../ipc/types";

/** Measured over some seconds. */
export interface Rates {
  /** To the host and back, in milliseconds. */
  readonly roundTripMs: number | null;
  /** Share of our packets that did not arrive. */
  readonly uplinkLoss: number | null;
  readonly sentBps: number;
  readonly sentFps: number;
  readonly people: ReadonlyMap<string, PersonRates>;
}

export interface PersonRates {
  /** Share of their packets that did not arrive, 0 to 1. */
  readonly loss: number;
  /** Packets that should have come: few tell nothing. */
  readonly expected: number;
  readonly jitterMs: number;
  readonly bps: number;
  readonly picture: { width: number; height: number; fps: number; layer: number | null } | null;
}

/** What is known of a person besides numbers. */
export interface Known {
  readonly id: string;
  readonly isMe: boolean;
  readonly isReconnecting: boolean;
  /** Their picture is on, and the network carries no more than sound. */
  readonly isHeldBack: boolean;
}

/** What is the matter with one person's way, or with ours under our own id. `oneIn` packets is lost. */
export type Trouble =
  | { kind: "reconnecting" }
  | { kind: "sending"; oneIn: number }
  | { kind: "receiving"; oneIn: number }
  | { kind: "theirs"; oneIn: number }
  | { kind: "between"; oneIn: number }
  | { kind: "held_back" }
  | { kind: "slow"; ms: number };

/** This share of lost packets is seen and heard. */
export const LOSS = 0.02;
/** A longer way makes people talk over each other. */
export const SLOW_MS = 400;
/** Fewer packets tell nothing about a way. */
const EXPECTED_MIN = 20;
/** So much is kept to measure over, in seconds. */
const SPAN_S = 5;

/** Takes in another answer; keeps what is needed to measure over some seconds. */
export function remember(before: readonly Health[], latest: Health): Health[] {
  const last = before.at(-1);
  // Another call began, or the same moment is told twice.
  if (last !== undefined && latest.elapsed_s < last.elapsed_s) return [latest];
  if (last !== undefined && latest.elapsed_s === last.elapsed_s) return [...before];
  const first = before.findLastIndex(({ elapsed_s }) => latest.elapsed_s - elapsed_s >= SPAN_S);
  return [...before.slice(Math.max(0, first)), latest];
}

/** Measures between the first and the last of what is kept; null until there are two. */
export function measure(kept: readonly Health[]): Rates | null {
  const [before, after] = [kept[0], kept.at(-1)];
  if (before === undefined || after === undefined || after.elapsed_s <= before.elapsed_s) return null;
  const seconds = after.elapsed_s - before.elapsed_s;
  const people = Object.entries(after.people).map(
    ([id, now]) => [id, personRates(before.people[id], now, seconds)] as const,
  );
  return {
    roundTripMs: after.round_trip_ms,
    uplinkLoss: after.uplink_loss,
    sentBps: (8 * grown(before.sent.bytes, after.sent.bytes)) / seconds,
    sentFps: grown(before.sent.frames, after.sent.frames) / seconds,
    people: new Map(people),
  };
}

function personRates(before: Received | undefined, now: Received, seconds: number): PersonRates {
  const came = grown(before?.packets ?? 0, now.packets);
  // A repair that came late takes back a loss of before.
  const lost = grown(before?.lost ?? 0, now.lost);
  const { picture } = now;
  return {
    loss: came + lost === 0 ? 0 : lost / (came + lost),
    expected: came + lost,
    jitterMs: now.jitter_ms,
    bps: (8 * grown(before?.bytes ?? 0, now.bytes)) / seconds,
    picture: picture && {
      width: picture.width,
      height: picture.height,
      fps: grown(before?.picture?.frames ?? 0, picture.frames) / seconds,
      layer: picture.layer,
    },
  };
}

/** A counter that fell began anew. */
function grown(before: number, after: number): number {
  return after >= before ? after - before : after;
}

/** Says what is the matter with whom; who is not in the answer is well. */
export function judge(rates: Rates | null, people: readonly Known[], connection: Connection): Map<string, Trouble> {
  const found = new Map<string, Trouble>();
  const me = people.find(({ isMe }) => isMe)?.id ?? null;
  // Nothing that is measured without the host says anything.
  if (connection === "reconnecting" || connection === "capture_stopped") {
    if (me !== null) found.set(me, { kind: "reconnecting" });
    return found;
  }
  const others = people.filter(({ isMe }) => !isMe);
  for (const { id, isReconnecting } of others) if (isReconnecting) found.set(id, { kind: "reconnecting" });
  if (rates === null) return found;
  const heard = others
    .filter(({ id }) => !found.has(id))
    .map(({ id }) => ({ id, ...(rates.people.get(id) ?? { loss: 0, expected: 0 }) }))
    .filter(({ expected }) => expected >= EXPECTED_MIN);
  const losing = heard.filter(({ loss }) => loss >= LOSS);
  const isSending = (rates.uplinkLoss ?? 0) >= LOSS;
  // One other person alone proves nothing, unless our way is known to lose.
  const isReceiving = losing.length > 0 && losing.length === heard.length && (heard.length > 1 || isSending);
  if (me !== null) {
    const mine = ownTrouble(rates, people.find(({ id }) => id === me), isReceiving ? losing : []);
    if (mine !== null) found.set(me, mine);
  }
  if (!isReceiving) {
    const kind = heard.length > 1 ? "theirs" : "between";
    for (const { id, loss } of losing) found.set(id, { kind, oneIn: oneIn(loss) });
  }
  for (const { id, isHeldBack } of others) if (isHeldBack && !found.has(id)) found.set(id, { kind: "held_back" });
  return found;
}

function ownTrouble(rates: Rates, me: Known | undefined, losing: readonly { loss: number }[]): Trouble | null {
  const sending = rates.uplinkLoss ?? 0;
  const receiving = losing.reduce((sum, { loss }) => sum + loss, 0) / Math.max(1, losing.length);
  // Both sides may lose: the worse one is told.
  if (Math.max(sending, receiving) >= LOSS) {
    return sending >= receiving ? { kind: "sending", oneIn: oneIn(sending) } : { kind: "receiving", oneIn: oneIn(receiving) };
  }
  if (me?.isHeldBack === true) return { kind: "held_back" };
  const ms = rates.roundTripMs ?? 0;
  return ms >= SLOW_MS ? { kind: "slow", ms: Math.round(ms) } : null;
}

function oneIn(loss: number): number {
  return Math.max(1, Math.round(1 / loss));
}

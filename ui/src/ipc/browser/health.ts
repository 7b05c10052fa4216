// How a call goes, read from a browser's own statistics (W3C webrtc-stats).

import type { Health, Received } from "../types";

/** What one entry of a report may say; what it does not say counts as nothing. */
class Entry {
  readonly #fields: object;

  constructor(fields: unknown) {
    this.#fields = typeof fields === "object" && fields !== null ? fields : {};
  }

  text(name: string): string | null {
    const value: unknown = Reflect.get(this.#fields, name);
    return typeof value === "string" ? value : null;
  }

  number(name: string): number | null {
    const value: unknown = Reflect.get(this.#fields, name);
    return typeof value === "number" && Number.isFinite(value) ? value : null;
  }

  isTrue(name: string): boolean {
    return Reflect.get(this.#fields, name) === true;
  }
}

/** Tells how a call goes; `ownerOf` knows whose a received track is. */
export function healthOf(
  report: Iterable<unknown>,
  ownerOf: (track: string) => string | null,
  elapsedS: number,
): Health {
  const people: Record<string, Received> = {};
  const sent = { bytes: 0, frames: 0 };
  let roundTripMs: number | null = null;
  let uplinkLoss: number | null = null;
  for (const each of report) {
    const entry = new Entry(each);
    switch (entry.text("type")) {
      case "inbound-rtp": {
        const owner = ownerOf(entry.text("trackIdentifier") ?? "");
        if (owner !== null) people[owner] = withTrack(people[owner], entry);
        break;
      }
      case "outbound-rtp":
        sent.bytes += entry.number("bytesSent") ?? 0;
        sent.frames = Math.max(sent.frames, entry.number("framesSent") ?? 0);
        break;
      case "remote-inbound-rtp":
        uplinkLoss = Math.max(uplinkLoss ?? 0, entry.number("fractionLost") ?? 0);
        break;
      case "candidate-pair": {
        const seconds = entry.isTrue("nominated") ? entry.number("currentRoundTripTime") : null;
        if (seconds !== null) roundTripMs = 1000 * seconds;
        break;
      }
    }
  }
  return { elapsed_s: elapsedS, round_trip_ms: roundTripMs, uplink_loss: uplinkLoss, sent, people };
}

function withTrack(before: Received | undefined, entry: Entry): Received {
  const count = (name: string) => Math.max(0, entry.number(name) ?? 0);
  const isPicture = entry.text("kind") === "video";
  const picture = { width: count("frameWidth"), height: count("frameHeight"), frames: count("framesReceived"), layer: null };
  return {
    bytes: (before?.bytes ?? 0) + count("bytesReceived"),
    packets: (before?.packets ?? 0) + count("packetsReceived"),
    lost: (before?.lost ?? 0) + count("packetsLost"),
    jitter_ms: Math.max(before?.jitter_ms ?? 0, 1000 * count("jitter")),
    picture: isPicture ? picture : (before?.picture ?? null),
  };
}

// Roles and rules, as the room tells them to its own page. A guest has no role; what counts is whether
// one waits, what a host stopped, and why one is put out.

import type { Notice, Person, Rules } from "../types";
import { type Input, problemOfCode } from "./problems";

export interface RulesSaid {
  is_waiting: boolean;
  decides: string | null;
  is_locked: boolean;
  roles: ReadonlyMap<string, Person["role"]>;
  /** Of others, by id. */
  silenced: ReadonlyMap<string, { audio: boolean; video: boolean }>;
  /** Of one's own. */
  stopped: Readonly<Record<Input, boolean>>;
}

export const NO_RULES: RulesSaid = {
  is_waiting: false,
  decides: null,
  is_locked: false,
  roles: new Map(),
  silenced: new Map(),
  stopped: { camera: false, microphone: false },
};

export function mediumOf(input: Input): "audio" | "video" {
  return input === "camera" ? "video" : "audio";
}

/** Reads a `snug` event; null for what is of no concern here. */
export function readRules(said: unknown, me: string | null): RulesSaid | null {
  const state = at(at(said, "what"), "state");
  if (at(said, "type") !== "moderation" || typeof state !== "object" || state === null) return null;
  const name = at(state, "hostName");
  const silenced = new Map(
    entries(at(state, "silenced")).map(([id, it]) => [id, { audio: at(it, "audio") === true, video: at(it, "video") === true }]),
  );
  const mine = me === null ? undefined : silenced.get(me);
  return {
    is_waiting: at(state, "isWaiting") === true,
    decides: typeof name === "string" ? name : null,
    is_locked: at(state, "isLocked") === true,
    roles: new Map(entries(at(state, "roles")).map(([id, role]) => [id, roleOf(role)])),
    silenced,
    stopped: { camera: mine?.video ?? false, microphone: mine?.audio ?? false },
  };
}

/** Says why a media event ends the visit; null for one that does not. */
export function endOf(data: string, me: string | null): string | null {
  let event: unknown;
  try {
    event = JSON.parse(data);
  } catch {
    return null;
  }
  const about = at(event, "data");
  const code = at(about, "code");
  if (at(event, "type") === "error" && typeof code === "string") return code;
  const isMe = me !== null && at(about, "id") === me;
  return at(event, "type") === "endpointRemoved" && isMe ? "put_out" : null;
}

/** Says of somebody what the rules say. */
export function marked(person: Person, rules: RulesSaid): Person {
  const silence = rules.silenced.get(person.id);
  const isMuted = silence?.audio ?? false;
  const isHidden = silence?.video ?? false;
  return {
    ...person,
    role: rules.roles.get(person.id) ?? "member",
    is_muted_by_host: isMuted,
    is_hidden_by_host: isHidden,
    microphone: isMuted && person.microphone === "live" ? "muted" : person.microphone,
    tile: isHidden ? null : person.tile,
  };
}

/** Says the rules as the views know them. */
export function shownRules({ is_locked, stopped }: RulesSaid): Rules {
  return {
    role: "member",
    is_locked,
    has_lobby: false,
    waiting: [],
    removed: [],
    is_muted_by_host: stopped.microphone,
    is_hidden_by_host: stopped.camera,
  };
}

export function noticeOf(input: Input, number: number): Notice {
  const { code, message, details } = problemOfCode(input === "camera" ? "hidden_by_host" : "muted_by_host");
  return { number, code, message, details };
}

function roleOf(said: unknown): Person["role"] {
  if (said === "host") return "host";
  return said === "coHost" ? "co_host" : "member";
}

function at(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

function entries(value: unknown): [string, unknown][] {
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
}

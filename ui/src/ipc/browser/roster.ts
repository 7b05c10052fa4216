// Who else is in the room and what they send, from what the npm client tells. Plain data.

import type { MicrophoneState, Person } from "../types";

export type Kind = "video" | "audio";

/** A track of somebody else. */
export interface RemoteTrack {
  readonly owner: string;
  readonly kind: Kind | null;
  /** Whether it carries anything, by its owner's word. */
  readonly isActive: boolean;
  /** Key of its picture; sound has none. */
  readonly tile: number;
}

/** The most people kept; a server cannot make this page remember more. */
const PEOPLE_MAX = 256;
const TRACKS_MAX = 1024;
const NAME_LENGTH_MAX = 64;

export class Roster {
  readonly #names = new Map<string, string>();
  readonly #tracks = new Map<string, RemoteTrack>();
  #tiles = 0;

  addPerson(id: string, metadata: unknown): void {
    if (this.#names.size < PEOPLE_MAX || this.#names.has(id)) this.#names.set(id, nameIn(metadata));
  }

  removePerson(id: string): void {
    this.#names.delete(id);
    for (const [track, { owner }] of this.#tracks) if (owner === id) this.#tracks.delete(track);
  }

  /** Takes in a track, or what is new about it; `kind` is known at the latest when it comes. */
  setTrack(id: string, owner: string, metadata: unknown, kind: Kind | null): RemoteTrack {
    const known = this.#tracks.get(id);
    const tile = known?.tile ?? (this.#tiles += 1);
    const track = { owner, kind: kind ?? known?.kind ?? kindIn(metadata), isActive: isActive(metadata), tile };
    if (known !== undefined || this.#tracks.size < TRACKS_MAX) this.#tracks.set(id, track);
    return track;
  }

  removeTrack(id: string): RemoteTrack | null {
    const known = this.#tracks.get(id) ?? null;
    this.#tracks.delete(id);
    return known;
  }

  /** Lists the others, in the order in which they came. */
  people(): Person[] {
    const tracks = [...this.#tracks.values()];
    return [...this.#names].map(([id, name]) => {
      const own = tracks.filter(({ owner }) => owner === id);
      const picture = own.find(({ kind, isActive }) => kind === "video" && isActive);
      return person(id, name, picture?.tile ?? null, microphoneOf(own));
    });
  }
}

/** Makes a person of whom a browser knows no more than this. */
export function person(id: string, name: string, tile: number | null, microphone: MicrophoneState): Person {
  return {
    id,
    name,
    is_me: false,
    tile,
    picture_size: null,
    microphone,
    // Only Snug programs are told these.
    is_in_browser: false,
    is_reconnecting: false,
    is_held_back: false,
    role: "member",
    is_muted_by_host: false,
    is_hidden_by_host: false,
  };
}

function microphoneOf(tracks: readonly RemoteTrack[]): MicrophoneState {
  const sounds = tracks.filter(({ kind }) => kind === "audio");
  if (sounds.length === 0) return "absent";
  return sounds.some((sound) => sound.isActive) ? "live" : "muted";
}

function nameIn(metadata: unknown): string {
  const name = fieldOf(metadata, "displayName");
  return typeof name === "string" ? [...name].slice(0, NAME_LENGTH_MAX).join("") : "";
}

function kindIn(metadata: unknown): Kind | null {
  const source = fieldOf(metadata, "type");
  if (source === "microphone") return "audio";
  return source === "camera" || source === "screensharing" ? "video" : null;
}

function isActive(metadata: unknown): boolean {
  return fieldOf(metadata, "active") !== false;
}

function fieldOf(metadata: unknown, name: string): unknown {
  return typeof metadata === "object" && metadata !== null ? Reflect.get(metadata, name) : undefined;
}

// Who stands big in the speaker layout. A cough, or two who talk at once, must not make the stage jump:
// whoever has the light keeps it while they speak, and another has to speak for a while to take it.

/** So long another has to be heard on end until the light is theirs. */
export const TAKES_MS = 1200;

export interface Spotlight {
  /** Who has the light; null until somebody has spoken. */
  readonly lit: string | null;
  /** Since when each of the others speaks on end. */
  readonly since: ReadonlyMap<string, number>;
}

export const DARK: Spotlight = { lit: null, since: new Map() };

/** Takes in who is there, without oneself, and who speaks now. */
export function light(before: Spotlight, others: readonly string[], speaking: ReadonlySet<string>, now: number): Spotlight {
  const since = new Map<string, number>();
  for (const id of others) {
    if (speaking.has(id)) since.set(id, before.since.get(id) ?? now);
  }
  const isThere = before.lit !== null && others.includes(before.lit);
  if (!isThere) return { lit: earliest(since), since };
  if (speaking.has(before.lit ?? "")) return { lit: before.lit, since };
  const first = earliest(since);
  const mayTake = first !== null && now - (since.get(first) ?? now) >= TAKES_MS;
  return { lit: mayTake ? first : before.lit, since };
}

/** Says when somebody who speaks may take the light; null when nobody waits for it. */
export function lightDue({ lit, since }: Spotlight): number | null {
  if (lit === null || since.has(lit)) return null;
  const first = earliest(since);
  return first === null ? null : (since.get(first) ?? 0) + TAKES_MS;
}

function earliest(since: ReadonlyMap<string, number>): string | null {
  let found: string | null = null;
  for (const [id, at] of since) {
    if (found === null || at < (since.get(found) ?? at)) found = id;
  }
  return found;
}

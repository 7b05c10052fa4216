// Who speaks, judged from loudness. The ring comes at once and goes a little after the voice, so
// it does not flicker between words; two thresholds keep a voice at the edge from chattering.

/** A voice begins at this loudness (dBFS, RMS): quiet speech close to a laptop's microphone. */
export const BEGINS_DBFS = -45;
/** A voice that has begun goes on down to this loudness. */
export const GOES_ON_DBFS = -52;
/** How long the ring stays after the voice. */
export const HOLD_MS = 400;

/** When each person who speaks was last heard, by person. Plain data, never changed in place. */
export type Voices = ReadonlyMap<string, number>;

/** Takes in one round of loudness (who is not listed is silent) and says who speaks at `now`. */
export function hearVoices(voices: Voices, levels: Readonly<Record<string, number>>, now: number): Voices {
  const next = new Map<string, number>();
  for (const [person, heard] of voices) {
    const level = levels[person] ?? -Infinity;
    if (level >= GOES_ON_DBFS) next.set(person, now);
    else if (now - heard < HOLD_MS) next.set(person, heard);
  }
  for (const [person, level] of Object.entries(levels)) {
    if (level >= BEGINS_DBFS) next.set(person, now);
  }
  return next;
}

/** Says when the next ring ends if nothing more is heard; null when nobody speaks. */
export function voicesDeadline(voices: Voices): number | null {
  return voices.size === 0 ? null : Math.min(...voices.values()) + HOLD_MS;
}

/** Maps loudness to how full a meter is, 0 to 1, on the dB scale from silence of a room to full. */
export function fullness(dbfs: number | null): number {
  if (dbfs === null || Number.isNaN(dbfs)) return 0;
  return Math.min(1, Math.max(0, (dbfs - QUIET_DBFS) / (LOUD_DBFS - QUIET_DBFS)));
}

const QUIET_DBFS = -60;
const LOUD_DBFS = -10;

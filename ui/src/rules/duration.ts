// How long something has lasted, as a clock and as words for a screen reader.

/** Formats milliseconds as 0:42, 24:07 or 1:02:03; less than nothing is 0:00. */
export function formatDuration(milliseconds: number): string {
  const { hours, minutes, seconds } = split(milliseconds);
  const two = (value: number) => String(value).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

/** Formats milliseconds as HTML's `datetime` of a duration, such as PT1H2M3S. */
export function durationAttribute(milliseconds: number): string {
  const { hours, minutes, seconds } = split(milliseconds);
  return `PT${hours}H${minutes}M${seconds}S`;
}

function split(milliseconds: number): { hours: number; minutes: number; seconds: number } {
  const total = Number.isFinite(milliseconds) ? Math.max(0, Math.floor(milliseconds / 1000)) : 0;
  return { hours: Math.floor(total / 3600), minutes: Math.floor(total / 60) % 60, seconds: total % 60 };
}

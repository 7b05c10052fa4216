// Which key does what in a room, and when a key is none of ours.

export type Shortcut = "microphone" | "camera" | "people" | "chat" | "hand" | "layout" | "shortcuts" | "escape" | "talk";

/** What of a keyboard event decides. */
export interface Key {
  key: string;
  repeat: boolean;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
}

/** Where the key went. */
export interface KeyTarget {
  /** Letters typed there are text. */
  takesText: boolean;
  /** Space pressed there presses it. */
  takesSpace: boolean;
}

const LETTERS: Readonly<Record<string, Shortcut>> = {
  m: "microphone",
  v: "camera",
  p: "people",
  c: "chat",
  h: "hand",
  l: "layout",
  "?": "shortcuts",
};

/** Names the shortcut that a pressed key is; null when it is typing, a system key, or nothing. */
export function shortcutOf(key: Key, target: KeyTarget): Shortcut | null {
  if (key.ctrlKey || key.metaKey || key.altKey) return null;
  // Escape closes what is open even from a field in it. A held key does nothing twice.
  if (key.key === "Escape") return "escape";
  if (target.takesText || key.repeat) return null;
  if (key.key === " ") return target.takesSpace ? null : "talk";
  return LETTERS[key.key.toLowerCase()] ?? null;
}

const TEXT_INPUTS = new Set(["text", "search", "url", "tel", "email", "password", "number"]);

/** Says what an element takes for itself. */
export function keyTarget(element: EventTarget | null): KeyTarget {
  if (!(element instanceof HTMLElement)) return { takesText: false, takesSpace: false };
  const takesText =
    element.isContentEditable ||
    element instanceof HTMLTextAreaElement ||
    element instanceof HTMLSelectElement ||
    (element instanceof HTMLInputElement && TEXT_INPUTS.has(element.type));
  const pressed = element.closest("button, a[href], input, summary, [role=button], [role=option]");
  const takesSpace = takesText || pressed !== null;
  return { takesText, takesSpace };
}

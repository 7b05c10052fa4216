// One's own hand.
import type { App } from "../../state/app.svelte";

export function isHandUp(app: App): boolean {
  return app.social.current.hands.includes("me");
}

/** Raises it, or takes it down; in a room without hands nothing happens. */
export function toggleHand(app: App): void {
  if (app.social.current.is_there) app.ask(app.backend.raiseHand(!isHandUp(app)));
}

// How much room the window has, for views that hold other things when there is little.
import { MediaQuery } from "svelte/reactivity";

/** Matches a window that one column has to do for; the styles name the same bounds. */
export function smallWindow(): MediaQuery {
  return new MediaQuery("(max-width: 759px), (max-height: 439px)", false);
}

// Every release of every client that the suite drives, as npm delivers it. Nothing here or around
// it changes what they do.

import { Socket as Phoenix12 } from "phoenix-1.2";
import { Socket as Phoenix13 } from "phoenix-1.3";
import { Socket as Phoenix16 } from "phoenix-1.6";
import { Socket as Phoenix18 } from "phoenix-1.8";
import { WebRTCEndpoint as Membrane050 } from "membrane-0.5.0";
import { WebRTCEndpoint as Membrane053 } from "membrane-0.5.3";
import { WebRTCEndpoint as Membrane071 } from "membrane-0.7.1";
import { WebRTCEndpoint as Fishjam050 } from "fishjam-0.5.0";

/** The socket of each release of npm `phoenix`. */
export const sockets = {
  "phoenix-1.2": Phoenix12,
  "phoenix-1.3": Phoenix13,
  "phoenix-1.6": Phoenix16,
  "phoenix-1.8": Phoenix18,
};

/** What speaks media events, of each release of the Membrane clients. */
export const endpoints = {
  "membrane-0.5.0": Membrane050,
  "membrane-0.5.3": Membrane053,
  "membrane-0.7.1": Membrane071,
  "fishjam-0.5.0": Fishjam050,
};

/** Says how a release wants simulcast described; 0.5.0 spells it its own way. */
export function simulcastOf(client, encodings) {
  const enabled = encodings.length > 0;
  return client === "membrane-0.5.0"
    ? { enabled, active_encodings: encodings }
    : { enabled, activeEncodings: encodings, disabledEncodings: [] };
}

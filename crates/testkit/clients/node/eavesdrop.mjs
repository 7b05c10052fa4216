// Somebody in a room by npm `phoenix` 1.8, unmodified, who tells every event that the room sends:
//
//     node node/eavesdrop.mjs ws://HOST:PORT/socket ROOM
//
// Once in, it says a chat message in Snug's own words, though its join said nothing of them. It
// stays until it is ended. `tests/guests/chat.rs` reads the lines.

import { createRequire } from "node:module";
import { WebSocket } from "ws";

const [url, room] = process.argv.slice(2);
globalThis.window = { WebSocket };
const { Socket } = createRequire(import.meta.url)("phoenix-1.8");

function tell(type, details) {
  console.log(JSON.stringify({ type, at_ms: Date.now(), ...details }));
}

// Its heart is all that is ever heard of it.
const socket = new Socket(url, { transport: WebSocket, heartbeatIntervalMs: 500 });
socket.onMessage(({ event, payload }) => tell("frame", { event, payload: JSON.stringify(payload) }));
socket.connect();
const channel = socket.channel(`room:${room}`, {});
channel
  .join()
  .receive("ok", () => {
    const metadata = { displayName: "Old" };
    channel.push("mediaEvent", { data: JSON.stringify({ type: "connect", data: { metadata } }) });
    const say = { type: "chat", what: { kind: "say", nonce: 1, text: "forged" } };
    channel.push("snug", say);
    channel.push("snug", { type: "gesture", what: { kind: "hand", isUp: true } });
    tell("in", {});
  })
  .receive("error", (reason) => {
    throw new Error(`not let in: ${JSON.stringify(reason)}`);
  });

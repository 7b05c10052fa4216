// Rooms worth looking at.
import { mount } from "svelte";

import PageRoot from "../../src/App.svelte";
import type { Snapshot } from "../../src/ipc/types";
import type { App } from "../../src/state/app.svelte";
import { problem } from "../fixtures";
import {
  alone,
  crowd,
  four,
  inRoom,
  kwame,
  mara,
  myself,
  nothingPluggedIn,
  reconnecting,
  six,
  tomas,
  withMe,
} from "../fixtures/room";
import { appThatShows } from "./program";
import type { Show } from "./states";

/** Shows a room in which `speakers` speak; `then` goes on from there. */
function room(snapshot: Snapshot, speakers: readonly string[] = [], then: (app: App) => void = () => undefined): Show {
  return (target) => {
    const people = Object.fromEntries(speakers.map((id) => [id, -20]));
    const app = appThatShows(snapshot, { me: -28, people }, [5]);
    mount(PageRoot, { target, props: { app, onappearance: () => undefined, onlanguage: () => undefined } });
    setTimeout(() => then(app), 300);
  };
}

const news = (code: string, details: Parameters<typeof problem>[1]) => ({
  notice: { ...problem(code, details), number: 1 },
});

export const roomStates: Record<string, Show> = {
  "room-grid": room(four, ["p1"]),
  "room-alone": room(alone),
  "room-six": room(
    withMe(
      { ...six, ...news("microphone_unplugged", { device: "Your headset", instead: "the built-in microphone" }) },
      { microphone: { is_on: false } },
    ),
    ["p1"],
  ),
  "room-crowd": room(crowd, ["p4", "p15"]),
  "room-speaker": room(six, ["p2"], (app) => app.places.arrange("speaker")),
  "room-pinned": room(crowd, ["p4"], (app) => app.places.pin("p3")),
  "room-health": room(six, ["p2"], (app) => {
    let seconds = 10;
    Object.assign(app.backend, {
      health: async () => {
        seconds += 1;
        const came = { bytes: 50_000 * seconds, packets: 110 * seconds, lost: 0, jitter_ms: 2 };
        const picture = { width: 640, height: 360, frames: 25 * seconds, layer: 2 };
        const people = Object.fromEntries(
          ["p1", "p2", "p3", "p4", "p5"].map((id, at) => [id, { ...came, lost: at === 1 ? 10 * seconds : 0, picture: at === 3 ? null : picture }]),
        );
        const sent = { bytes: 250_000 * seconds, frames: 25 * seconds };
        return { elapsed_s: seconds, round_trip_ms: 84, uplink_loss: 0, sent, people };
      },
    });
    app.ui.openDrawer("health");
  }),
  "room-people": room(four, ["p1"], (app) => app.ui.openDrawer("people")),
  "room-reconnecting": room(withMe(reconnecting, { microphone: { is_on: false } })),
  "room-stopped": room(
    inRoom([mara, tomas, kwame, myself()], { connection: "capture_stopped", host: "192.168.1.20:7684" }),
  ),
  "room-nothing": room(nothingPluggedIn(problem("no_device"))),
  "room-invite": room(four, ["p1"], (app) => app.ui.openSheet("invite")),
  "room-leave": room(four, [], (app) => app.ui.openSheet("leave")),
  "room-shortcuts": room(four, [], (app) => app.ui.openSheet("shortcuts")),
};

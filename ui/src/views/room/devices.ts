// What a press on microphone or camera means in the room, by mouse, key or shortcut alike.

import type { App } from "../../state/app.svelte";

export type Input = "microphone" | "camera";

/** Devices that no second try brings back: another one has to be chosen. */
const GONE = /(^no_device|_absent|_unplugged|_format)$/;

/** Turns the device off when it works, on when it is off; one in trouble is tried again or chosen anew. */
export function toggleDevice(app: App, input: Input): void {
  const device = app.snapshot?.me[input];
  if (device === undefined) return;
  const trouble = device.is_on ? device.problem : null;
  if (trouble !== null && GONE.test(trouble.code)) app.ui.openSettings();
  else turnDevice(app, input, trouble !== null || !device.is_on);
}

export function turnDevice(app: App, input: Input, on: boolean): void {
  app.ask(input === "microphone" ? app.backend.setMicrophoneOn(on) : app.backend.setCameraOn(on));
}

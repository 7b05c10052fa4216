// One's own camera, or microphone: opened while it is on, let go while it is off.
//
// Off means off: the track is stopped, so that the device is free and its light goes out. What a
// person wants survives trouble, reconnects and other devices.

import type { DeviceState, Problem } from "../types";
import { type Input, inputProblem, problemOfCode } from "./problems";

const WISHES: Record<Input, MediaTrackConstraints> = {
  camera: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } },
  microphone: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
};

export class InputDevice {
  readonly input: Input;
  readonly #onChange: () => void;
  #isOn: boolean;
  /** Held back, whatever the person wants: nobody would receive it. */
  #isHeld = false;
  #id: string | null;
  #track: MediaStreamTrack | null = null;
  #name: string | null = null;
  #problem: Problem | null = null;
  /** Tells an opening that is under way from the one that counts. */
  #epoch = 0;

  constructor(input: Input, isOn: boolean, id: string | null, onChange: () => void) {
    this.input = input;
    this.#isOn = isOn;
    this.#id = id;
    this.#onChange = onChange;
  }

  get track(): MediaStreamTrack | null {
    return this.#track;
  }

  state(): DeviceState {
    return { is_on: this.#isOn, is_running: this.#track !== null, name: this.#name, problem: this.#problem };
  }

  async turn(isOn: boolean): Promise<void> {
    this.#isOn = isOn;
    await this.open();
  }

  /** Uses this device from now on; null is the system's favourite. */
  async choose(id: string | null): Promise<void> {
    this.#id = id;
    await this.open();
  }

  async hold(isHeld: boolean): Promise<void> {
    if (isHeld === this.#isHeld) return;
    this.#isHeld = isHeld;
    await this.open();
  }

  /** Tries again where there was no device, or it went: others may have been plugged in. */
  async retry(): Promise<void> {
    const code = this.#problem?.code ?? "";
    if (code === "no_device" || code.endsWith("_unplugged")) await this.open();
  }

  /** Opens the device anew as it is wanted, or lets it go. */
  async open(): Promise<void> {
    const epoch = (this.#epoch += 1);
    this.#stop();
    this.#problem = null;
    this.#onChange();
    if (!this.#isOn || this.#isHeld) return;
    try {
      const track = await this.#ask();
      if (epoch !== this.#epoch) {
        track.stop();
        return;
      }
      this.#track = track;
      this.#name = track.label === "" ? null : track.label;
      track.addEventListener("ended", () => this.#ended(track));
    } catch (error) {
      if (epoch !== this.#epoch) return;
      this.#problem = inputProblem(this.input, error, this.#id === null ? null : this.#name);
    }
    this.#onChange();
  }

  async #ask(): Promise<MediaStreamTrack> {
    const wishes = { ...WISHES[this.input], ...(this.#id === null ? {} : { deviceId: { exact: this.#id } }) };
    const asked = this.input === "camera" ? { video: wishes } : { audio: wishes };
    const [track] = (await navigator.mediaDevices.getUserMedia(asked)).getTracks();
    if (track === undefined) throw new DOMException("", "NotFoundError");
    return track;
  }

  #ended(track: MediaStreamTrack): void {
    if (track !== this.#track) return;
    this.#track = null;
    this.#problem = problemOfCode(`${this.input}_unplugged`, { device: this.#name });
    this.#onChange();
  }

  #stop(): void {
    const track = this.#track;
    this.#track = null;
    track?.stop();
  }
}

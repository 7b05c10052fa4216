// The browser itself behind the page: its camera, microphone and speaker, and a call that is made
// by npm `phoenix` and `membrane-webrtc-js`. What a browser cannot do is refused.

import type { Backend, Unlisten } from "./backend";
import { Awake } from "./browser/awake";
import { Call, type Told } from "./browser/call";
import { healthOf } from "./browser/health";
import { InputDevice } from "./browser/input";
import { Loudness } from "./browser/loudness";
import { freshKey, type Kept, keep, recall } from "./browser/memory";
import { socketAt, wordsOf } from "./browser/place";
import { type Input, problemOfCode, refusal } from "./browser/problems";
import { person, Roster } from "./browser/roster";
import { marked, NO_RULES, noticeOf, type RulesSaid, shownRules } from "./browser/rules";
import { type Event as SnugEvent, hand, lowerHand, reaction, Talk } from "./browser/social";
import { Sound } from "./browser/sound";
import { VideoTiles } from "./browser/tiles";
import type {
  CameraChoice,
  Connection,
  DeviceEntry,
  Devices,
  Language,
  MicrophoneChoice,
  Notice,
  Person,
  Problem,
  ProblemDetails,
  Reaction,
  Snapshot,
  Social,
  Stage,
} from "./types";

/** Without signalling for so long, camera and microphone stop. */
const CAPTURE_STOPS_MS = 15_000;

/** The most tracks of others that statistics are told of. */
const RECEIVED_MAX = 1024;

/** Tile of one's own picture, as in the window. */
const OWN_TILE = 0;

/** A room that the person is in, or on the way to. */
interface Visit {
  room: string;
  call: Call;
  roster: Roster;
  rules: RulesSaid;
  talk: Talk;
  sinceMs: number | null;
  connection: Connection;
  stops: ReturnType<typeof setTimeout> | undefined;
}

export class BrowserBackend implements Backend {
  readonly kind = "browser";
  readonly tiles: VideoTiles;
  readonly #awake = new Awake();
  readonly #loudness = new Loudness();
  readonly #sound: Sound;
  readonly #kept: Kept;
  readonly #inputs: Record<Input, InputDevice>;
  readonly #listeners = new Set<(snapshot: Snapshot) => void>();
  readonly #talkListeners = new Set<(social: Social) => void>();
  #revision = 0;
  #isTelling = false;
  #devices: Devices = { cameras: [], microphones: [], speakers: [] };
  #visit: Visit | null = null;
  /** Whose each track of the present call is, and what the browser calls it. */
  readonly #received = new Map<string, { owner: string; name: string }>();
  #problem: Problem | null = null;
  /** The key of the page's own server in words, as that server tells it. */
  #words: string[] = [];
  #notice: Notice | null = null;
  #notices = 0;

  constructor() {
    this.#kept = recall(window.localStorage);
    if (this.#kept.key === "") this.#keep({ key: freshKey() });
    const { camera, microphone, camera_on, microphone_on } = this.#kept;
    this.#inputs = {
      camera: new InputDevice("camera", camera_on, camera, () => this.#inputChanged("camera")),
      microphone: new InputDevice("microphone", microphone_on, microphone, () => this.#inputChanged("microphone")),
    };
    this.#sound = new Sound(this.#loudness, this.#kept.speaker);
    this.tiles = new VideoTiles(this.#loudness);
  }

  /** Opens camera and microphone, and follows what is plugged in. */
  start(): void {
    this.#awake.start();
    void this.#openInputs();
    void this.#askWords();
    navigator.mediaDevices.addEventListener("devicechange", () => void this.#devicesChanged());
    const resume = () => {
      this.#loudness.resume();
      this.#sound.resume();
    };
    for (const what of ["pointerdown", "keydown"]) document.addEventListener(what, resume);
    // A page that goes says so: the others need not wait until it is missed.
    window.addEventListener("pagehide", () => this.#visit?.call.end());
  }

  snapshot = async () => this.#snapshot();

  onSnapshot = async (callback: (snapshot: Snapshot) => void): Promise<Unlisten> => {
    this.#listeners.add(callback);
    return () => void this.#listeners.delete(callback);
  };

  social = async () => this.#social();

  onSocial = async (callback: (social: Social) => void): Promise<Unlisten> => {
    this.#talkListeners.add(callback);
    return () => void this.#talkListeners.delete(callback);
  };

  sayInChat = async (text: string) => {
    const event = this.#visit?.talk.say(text) ?? null;
    if (event !== null) this.#saySnug(event);
    this.#talked();
  };

  raiseHand = async (up: boolean) => this.#saySnug(hand(up));
  lowerHand = async (person: string) => this.#saySnug(lowerHand(person));
  react = async (what: Reaction) => this.#saySnug(reaction(what));
  // The page opens links by itself, without being reachable from what they open.
  openWebLink = refuse;

  // The browser asks by itself before it closes a page.
  onCloseAsked = async (): Promise<Unlisten> => () => undefined;

  health = async () => {
    const visit = this.#visit;
    const report = (await visit?.call.statistics()) ?? null;
    if (visit === null || visit.sinceMs === null || report === null) return null;
    const ownerOf = (track: string) => [...this.#received.values()].find(({ name }) => name === track)?.owner ?? null;
    return healthOf(report, ownerOf, (Date.now() - visit.sinceMs) / 1000);
  };

  setName = async (name: string) => this.#keep({ name });

  joinRoom = async (room: string) => {
    if (this.#visit !== null) throw problemOfCode("in_a_room");
    this.#problem = null;
    const roster = new Roster();
    const call = new Call(socketAt(window.location), room, this.#kept.name, this.#kept.key, this.#told());
    const talk = new Talk();
    this.#visit = { room, call, roster, rules: NO_RULES, talk, sinceMs: null, connection: "live", stops: undefined };
    for (const input of ["camera", "microphone"] as const) call.send(input, this.#inputs[input].track);
    this.#changed();
  };

  leaveRoom = async () => this.#leave(null);
  cancelJoining = async () => this.#leave(null);

  dismissProblem = async () => {
    this.#problem = null;
    this.#changed();
  };

  dismissNotice = async (number: number) => {
    if (this.#notice?.number === number) this.#notice = null;
    this.#changed();
  };

  setCameraOn = (on: boolean) => this.#turn("camera", on);
  setMicrophoneOn = (on: boolean) => this.#turn("microphone", on);
  chooseCamera = (choice: CameraChoice) => this.#choose("camera", choice);
  chooseMicrophone = (choice: MicrophoneChoice) => this.#choose("microphone", choice);

  chooseSpeaker = async (id: string | null) => {
    this.#keep({ speaker: id });
    this.#sound.choose(id);
  };

  setMirror = refuse;
  // Whoever wants news has allowed them; nobody is asked.
  notify = async (title: string, body: string) => {
    if ("Notification" in window && Notification.permission === "granted") new Notification(title, { body, tag: "snug" });
  };

  copyLink = (link: string) => navigator.clipboard.writeText(link);
  setAppearance = refuse;
  setLanguage = async (language: Language) => this.#keep({ language });

  // The window's own matters.
  moderate = refuse;
  openTiles = refuse;
  hostRoom = refuse;
  pickCameraFile = refuse;
  pickMicrophoneFile = refuse;
  setListening = refuse;
  testSpeaker = refuse;
  setGraphics = refuse;
  forgetRecent = refuse;
  joinFound = refuse;
  wordsMatch = refuse;
  lookAgain = refuse;
  quitConfirmed = refuse;

  async #openInputs(): Promise<void> {
    await this.#listDevices();
    const { camera, microphone } = this.#inputs;
    await Promise.all([camera.open(), microphone.open()]);
    // Browsers name devices only once one was allowed.
    await this.#listDevices();
  }

  async #askWords(): Promise<void> {
    this.#words = await wordsOf(window.location.origin);
    this.#changed();
  }

  async #devicesChanged(): Promise<void> {
    await this.#listDevices();
    await Promise.all(Object.values(this.#inputs).map((device) => device.retry()));
  }

  async #listDevices(): Promise<void> {
    const all = await navigator.mediaDevices.enumerateDevices();
    const of = (kind: MediaDeviceKind) => entriesOf(all.filter((device) => device.kind === kind));
    this.#devices = { cameras: of("videoinput"), microphones: of("audioinput"), speakers: of("audiooutput") };
    this.#changed();
  }

  async #turn(input: Input, on: boolean): Promise<void> {
    if (on && this.#visit?.rules.stopped[input]) this.#visit.call.resume(input);
    this.#keep(input === "camera" ? { camera_on: on } : { microphone_on: on });
    await this.#inputs[input].turn(on);
    await this.#listDevices();
  }

  async #choose(input: Input, choice: CameraChoice | MicrophoneChoice): Promise<void> {
    const id = choice.kind === "device" ? choice.value : null;
    this.#keep(input === "camera" ? { camera: id } : { microphone: id });
    await this.#inputs[input].choose(id);
  }

  #inputChanged(input: Input): void {
    const { track } = this.#inputs[input];
    if (input === "camera") this.tiles.set(OWN_TILE, track);
    else if (track === null) this.#loudness.forget(input);
    else this.#loudness.listen(input, null, track);
    this.#visit?.call.send(input, track);
    this.#changed();
  }

  /** What a call tells, as long as it is the present one. */
  #told(): Told {
    const now = (act: (visit: Visit) => void) => {
      const visit = this.#visit;
      if (visit === null) return;
      act(visit);
      this.#changed();
    };
    const fail = (make: (about: Partial<ProblemDetails>) => Problem) =>
      now(({ room }) => this.#leave(make({ host: window.location.host, room, link: room })));
    return {
      onEntered: (me) => now((visit) => this.#entered(visit, me)),
      onSnug: (payload) => {
        if (this.#visit?.talk.handle(payload) === true) this.#talked();
      },
      onRefused: (answer) => fail((about) => refusal(answer, about)),
      onUnanswered: () =>
        now((visit) => {
          if (visit.sinceMs === null) fail((about) => problemOfCode("no_answer", about));
        }),
      onLost: () => now((visit) => this.#lost(visit)),
      onPutOut: (why) => fail((about) => problemOfCode(why ?? "put_out", about)),
      onRules: (rules) => now((visit) => this.#rule(visit, rules)),
      onPerson: (id, metadata) => now(({ roster }) => roster.addPerson(id, metadata)),
      onPersonGone: (id) => now(({ roster }) => roster.removePerson(id)),
      onTrack: (id, owner, metadata, track) =>
        now(({ roster }) => {
          if (track !== null && this.#received.size < RECEIVED_MAX) this.#received.set(id, { owner, name: track.id });
          const known = roster.setTrack(id, owner, metadata, kindOf(track));
          if (track === null) return;
          if (known.kind === "video") this.tiles.set(known.tile, track);
          else this.#sound.play(id, owner, track);
        }),
      onTrackGone: (id) =>
        now(({ roster }) => {
          this.#received.delete(id);
          const known = roster.removeTrack(id);
          if (known !== null) this.tiles.set(known.tile, null);
          this.#sound.stop(id);
        }),
    };
  }

  #entered(visit: Visit, me: string): void {
    for (const event of visit.talk.enter(me)) visit.call.saySnug(event);
    this.#sound.stopAll();
    visit.roster = new Roster();
    this.#received.clear();
    visit.sinceMs ??= Date.now();
    visit.connection = "live";
    this.#awake.want(true);
    clearTimeout(visit.stops);
    visit.stops = undefined;
    this.#hold(false);
  }

  /** What a host stopped is off here too; only the person's own word turns it on again. */
  #rule(visit: Visit, rules: RulesSaid): void {
    const before = visit.rules;
    visit.rules = rules;
    for (const input of ["camera", "microphone"] as const) {
      if (!rules.stopped[input] || before.stopped[input]) continue;
      this.#notices += 1;
      this.#notice = noticeOf(input, this.#notices);
      void this.#turn(input, false);
    }
  }

  #lost(visit: Visit): void {
    // On the way in, trying again goes on until nobody answers.
    if (visit.sinceMs === null || visit.connection !== "live") return;
    visit.connection = "reconnecting";
    visit.stops = setTimeout(() => {
      visit.connection = "capture_stopped";
      this.#hold(true);
      this.#changed();
    }, CAPTURE_STOPS_MS);
  }

  #hold(isHeld: boolean): void {
    for (const device of Object.values(this.#inputs)) void device.hold(isHeld);
  }

  /** Ends a visit, for a reason or because the person wants it. */
  #leave(why: Problem | null): void {
    const visit = this.#visit;
    if (visit === null) return;
    clearTimeout(visit.stops);
    this.#visit = null;
    this.#awake.want(false);
    visit.call.end();
    this.#sound.stopAll();
    this.#hold(false);
    this.#problem = why;
    this.#changed();
  }

  #keep(change: Partial<Kept>): void {
    Object.assign(this.#kept, change);
    keep(window.localStorage, this.#kept);
    this.#changed();
  }

  #saySnug(event: SnugEvent): void {
    this.#visit?.call.saySnug(event);
  }

  #talked(): void {
    const social = this.#social();
    for (const listener of this.#talkListeners) listener(social);
  }

  #social(): Social {
    return (this.#visit?.talk ?? new Talk()).shown();
  }

  /** Tells what is new, once for all that changes together. */
  #changed(): void {
    this.#revision += 1;
    if (this.#isTelling) return;
    this.#isTelling = true;
    queueMicrotask(() => {
      this.#isTelling = false;
      const snapshot = this.#snapshot();
      for (const listener of this.#listeners) listener(snapshot);
    });
  }

  #snapshot(): Snapshot {
    const { name, camera, microphone, speaker, camera_on, microphone_on, language } = this.#kept;
    const running = { is_on: true, is_running: true, name: null, problem: null };
    return {
      revision: this.#revision + 1,
      stage: this.#stage(),
      me: {
        camera: this.#inputs.camera.state(),
        microphone: this.#inputs.microphone.state(),
        speaker: running,
        is_listening: false,
      },
      devices: this.#devices,
      settings: {
        name,
        camera: choiceOf(camera),
        microphone: choiceOf(microphone),
        speaker,
        camera_on,
        microphone_on,
        mirror: true,
        appearance: "system",
        language,
        graphics: "auto",
      },
      recent: [],
      rooms: [],
      looks_for_rooms: false,
      problem: this.#problem,
      notice: this.#notice,
    };
  }

  #stage(): Stage {
    if (this.#visit === null) return { kind: "home" };
    const { room, roster, sinceMs, connection } = this.#visit;
    const { host, origin, pathname, hash } = window.location;
    const { rules } = this.#visit;
    if (sinceMs === null) {
      const { is_waiting, decides } = rules;
      return { kind: "joining", room, host, step: "entering", is_waiting, decides };
    }
    const people = [...roster.people(), this.#myself()];
    // The key that a link brought along is passed on: Snug checks it, where a browser cannot.
    const links = [`${origin}${pathname}${hash}`];
    const words = this.#words;
    const shared = { links, words, is_pinned: false, rules: shownRules(rules) };
    const marks = people.map((it) => marked(it, rules));
    return { kind: "room", name: room, host, since_ms: sinceMs, connection, ...shared, people: marks };
  }

  #myself(): Person {
    const { camera, microphone } = this.#inputs;
    const state = microphone.state();
    const heard = state.is_on ? (state.problem === null ? "live" : "absent") : "muted";
    const tile = camera.track === null ? null : OWN_TILE;
    return { ...person("me", this.#kept.name, tile, heard), is_me: true };
  }
}

function refuse(): Promise<never> {
  return Promise.reject(problemOfCode("not_in_browser"));
}

function kindOf(track: MediaStreamTrack | null): "audio" | "video" | null {
  return track === null ? null : track.kind === "audio" ? "audio" : "video";
}

function choiceOf(id: string | null): { kind: "default" } | { kind: "device"; value: string } {
  return id === null ? { kind: "default" } : { kind: "device", value: id };
}

/** Lists devices by name; until one was allowed they have none, and there is nothing to choose from. */
function entriesOf(devices: readonly MediaDeviceInfo[]): DeviceEntry[] {
  const own = devices.filter(({ deviceId, label }) => deviceId !== "default" && deviceId !== "communications" && label !== "");
  return own.map(({ deviceId, label }, at) => ({ id: deviceId, name: label, is_default: at === 0 }));
}

// What the page needs from whoever carries the call: the program (native.ts), or a browser's own
// media (browser.ts). One interface, so that views know neither.

import type {
  Appearance,
  CameraChoice,
  Graphics,
  Health,
  HostAction,
  Language,
  MicrophoneChoice,
  Problem,
  Reaction,
  Snapshot,
  Social,
  TileAccess,
} from "./types";

/** Ends a subscription. */
export type Unlisten = () => void;

/** Requests answer when they were taken, not when they are done: the snapshot shows what came of
 * them. A request that is refused rejects with a `Problem`. */
export interface Backend {
  /** What carries the call: the program behind the window, or the browser that shows the page. */
  readonly kind: "native" | "browser";
  /** Asks for everything on screen as it is now. */
  snapshot(): Promise<Snapshot>;
  /** Calls back with every later snapshot. */
  onSnapshot(callback: (snapshot: Snapshot) => void): Promise<Unlisten>;
  /** Calls back when the window is asked to close during a call. */
  onCloseAsked(callback: () => void): Promise<Unlisten>;
  /** Asks for chat, hands and reactions as they are now. */
  social(): Promise<Social>;
  /** Calls back with every later change of them. */
  onSocial(callback: (social: Social) => void): Promise<Unlisten>;
  /** Gets a way onto the tile socket; an older one is void from then on. */
  openTiles(): Promise<TileAccess>;

  /** Asks how the call goes; null outside a room, or where nothing is known. */
  health(): Promise<Health | null>;

  setName(name: string): Promise<void>;
  hostRoom(name: string): Promise<void>;
  /** Joins by a known room's name, `host/room`, an https link or a snug link. */
  joinRoom(text: string): Promise<void>;
  /** Joins a room on this network by its link from the snapshot. */
  joinFound(link: string): Promise<void>;
  /** Asks the computers of this network once more, one by one too. */
  lookAgain(): Promise<void>;
  cancelJoining(): Promise<void>;
  dismissProblem(): Promise<void>;
  dismissNotice(number: number): Promise<void>;
  /** The words of the host's key were compared with what the host sees. */
  wordsMatch(): Promise<void>;
  leaveRoom(): Promise<void>;
  /** Asks the room for what only hosts may; the snapshot's rules show what came of it. */
  moderate(action: HostAction): Promise<void>;

  /** Says something in the chat; whether it was said shows `Social`. */
  sayInChat(text: string): Promise<void>;
  raiseHand(up: boolean): Promise<void>;
  /** Takes down the hand of somebody else, where the room lets us. */
  lowerHand(person: string): Promise<void>;
  react(reaction: Reaction): Promise<void>;
  /** Opens a web link outside of the window. */
  openWebLink(link: string): Promise<void>;

  setCameraOn(on: boolean): Promise<void>;
  setMicrophoneOn(on: boolean): Promise<void>;
  chooseCamera(choice: CameraChoice): Promise<void>;
  chooseMicrophone(choice: MicrophoneChoice): Promise<void>;
  /** Null is the system's favourite. */
  chooseSpeaker(id: string | null): Promise<void>;
  /** Opens the system's dialog; choosing no file changes nothing. */
  pickCameraFile(): Promise<void>;
  pickMicrophoneFile(): Promise<void>;
  /** Lets the person hear their own microphone. */
  setListening(on: boolean): Promise<void>;
  testSpeaker(): Promise<void>;

  setMirror(on: boolean): Promise<void>;
  setAppearance(appearance: Appearance): Promise<void>;
  setLanguage(language: Language): Promise<void>;
  /** Takes effect at the next start. */
  setGraphics(graphics: Graphics): Promise<void>;

  copyLink(link: string): Promise<void>;
  /** Shows a piece of news while another program is in front; it may not be possible. */
  notify(title: string, body: string): Promise<void>;
  forgetRecent(link: string): Promise<void>;
  /** Closes the window although a call is under way. */
  quitConfirmed(): Promise<void>;
}

/** Reads what a request was refused with; anything else becomes a problem without a known code. */
export function problemOf(error: unknown): Problem {
  if (isProblem(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  const details = { host: null, room: null, device: null, instead: null, link: null };
  return { code: "unknown", message, hint: "", details };
}

function isProblem(value: unknown): value is Problem {
  return typeof value === "object" && value !== null && "code" in value && "message" in value && "details" in value;
}

// A call as every program for a Membrane server makes it: npm `phoenix` carries the signalling,
// `@jellyfish-dev/membrane-webrtc-js` the media events. The room sees an unmodified client that
// understands the `snug` channel event, as its join parameters say.
//
// Rules, each with its why:
// - Such a client has no way to resume: after a lost socket it comes in again as somebody new, and
//   what it sent is added again.
// - The heart beats every 1.5 s, so that a dead network is noticed within 3 s.
// - What is done with one's own tracks is done one after the other: the client knows a track only
//   when its negotiation has ended.

import { type TrackContext, WebRTCEndpoint } from "@jellyfish-dev/membrane-webrtc-js";
import { type Channel, Socket } from "phoenix";

import type { Input } from "./problems";
import { endOf, mediumOf, readRules, type RulesSaid } from "./rules";

const HEARTBEAT_MS = 1500;
const RETRY_MS = [250, 500, 1000, 2000];
const RETRY_MS_MAX = 3000;

/** What a camera may take, by layer, in kbit/s. */
const LAYERS = new Map([["l", 150], ["m", 500], ["h", 1700]] as const);
/** The same for a camera without layers. */
const CAMERA_KBPS = 1500;
const MICROPHONE_KBPS = 64;

export interface Told {
  /** In the room, for the first time or again; nobody that was known before is here any more. */
  onEntered(me: string): void;
  /** The room did not let us in: its answer. */
  onRefused(answer: unknown): void;
  /** Nothing answers on the way in. */
  onUnanswered(): void;
  /** The socket is lost; coming back is tried by itself. */
  onLost(): void;
  /** The room put us out, or ended, for the reason of that code where it said one. */
  onPutOut(why: string | null): void;
  /** How roles and rules stand, also while we wait to be let in. */
  onRules(rules: RulesSaid): void;
  onPerson(id: string, metadata: unknown): void;
  onPersonGone(id: string): void;
  /** A track is there, has come or has changed. */
  onTrack(id: string, owner: string, metadata: unknown, track: MediaStreamTrack | null): void;
  onTrackGone(id: string): void;
  /** The room says what only Snug programs and this page understand. */
  onSnug(payload: unknown): void;
}

interface Sent {
  id: string;
  track: MediaStreamTrack;
}

export class Call {
  readonly #told: Told;
  readonly #name: string;
  readonly #socket: Socket;
  readonly #channel: Channel;
  #webrtc: WebRTCEndpoint | null = null;
  #isEnded = false;
  #hasLayers = false;
  #stream = new MediaStream();
  /** What is to be sent. */
  readonly #wanted = new Map<Input, MediaStreamTrack | null>();
  /** What is sent to the present endpoint. */
  #sent = new Map<Input, Sent>();
  #work: Promise<void> = Promise.resolve();
  #me: string | null = null;
  /** Why the room puts us out. */
  #end: string | null = null;

  constructor(url: string, room: string, name: string, key: string, told: Told) {
    this.#told = told;
    this.#name = name;
    const wait = (tries: number) => RETRY_MS[tries - 1] ?? RETRY_MS_MAX;
    this.#socket = new Socket(url, {
      heartbeatIntervalMs: HEARTBEAT_MS,
      reconnectAfterMs: wait,
      rejoinAfterMs: wait,
    });
    this.#channel = this.#socket.channel(`room:${room}`, { isSimulcastOn: true, page: { key } });
    this.#listen();
  }

  /** Sends a camera or microphone from now on; null says that it is off. */
  send(input: Input, track: MediaStreamTrack | null): void {
    this.#wanted.set(input, track);
    this.#settle(input);
  }

  /** Asks the browser what was sent and received; null before there is a connection. */
  async statistics(): Promise<Iterable<unknown> | null> {
    try {
      const report = await this.#webrtc?.getStatistics();
      return report === undefined ? null : report.values();
    } catch {
      // The client has no connection yet.
      return null;
    }
  }

  /** Says that we mean to go on with what a host stopped. */
  resume(input: Input): void {
    const ask = { do: "resume", medium: mediumOf(input) };
    this.#channel.push("snug", { type: "moderation", what: { ask } });
  }

  /** Says what only Snug servers understand; outside the room it is lost. */
  saySnug(payload: Record<string, unknown>): void {
    if (this.#channel.state === "joined") this.#channel.push("snug", payload);
  }

  /** Leaves for good. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#webrtc?.removeAllListeners();
    this.#closeMedia();
    this.#channel.leave();
    this.#socket.disconnect();
  }

  #listen(): void {
    this.#channel.on("mediaEvent", ({ data }: { data: string }) => {
      this.#end ??= endOf(data, this.#me);
      this.#webrtc?.receiveMediaEvent(data);
    });
    this.#channel.on("snug", (said: unknown) => {
      const rules = readRules(said, this.#me);
      if (this.#isEnded) return;
      if (rules !== null) this.#told.onRules(rules);
      else this.#told.onSnug(said);
    });
    this.#channel.on("simulcastConfig", ({ data }: { data: unknown }) => {
      this.#hasLayers = data === true;
    });
    this.#channel.onError(() => this.#tell("onLost"));
    this.#channel.onClose(() => this.#putOut());
    this.#socket.connect();
    this.#channel
      .join()
      .receive("ok", () => this.#enter())
      .receive("error", (answer: unknown) => {
        if (!this.#isEnded) this.#told.onRefused(answer);
      })
      .receive("timeout", () => this.#tell("onUnanswered"));
  }

  #putOut(): void {
    if (!this.#isEnded) this.#told.onPutOut(this.#end);
  }

  #tell(what: "onLost" | "onUnanswered"): void {
    if (!this.#isEnded) this.#told[what]();
  }

  /** Comes in as somebody new. */
  #enter(): void {
    if (this.#isEnded) return;
    this.#webrtc?.removeAllListeners();
    this.#closeMedia();
    const webrtc = new WebRTCEndpoint();
    this.#webrtc = webrtc;
    this.#sent = new Map();
    this.#stream = new MediaStream();
    this.#work = Promise.resolve();
    webrtc.on("sendMediaEvent", (data) => this.#channel.push("mediaEvent", { data }));
    webrtc.on("connected", (me, others) => {
      this.#me = me;
      this.#told.onEntered(me);
      for (const { id, rawMetadata } of others) this.#told.onPerson(id, rawMetadata);
      for (const input of this.#wanted.keys()) this.#settle(input);
    });
    webrtc.on("disconnected", () => this.#putOut());
    webrtc.on("endpointAdded", ({ id, rawMetadata }) => this.#told.onPerson(id, rawMetadata));
    webrtc.on("endpointUpdated", ({ id, rawMetadata }) => this.#told.onPerson(id, rawMetadata));
    webrtc.on("endpointRemoved", ({ id }) => this.#told.onPersonGone(id));
    const onTrack = (context: TrackContext<unknown, unknown>) =>
      this.#told.onTrack(context.trackId, context.endpoint.id, context.rawMetadata, context.track);
    webrtc.on("trackAdded", onTrack);
    webrtc.on("trackReady", onTrack);
    webrtc.on("trackUpdated", onTrack);
    // The client tells of tracks that it never knew, too.
    webrtc.on("trackRemoved", (context: TrackContext<unknown, unknown> | undefined) => {
      if (context !== undefined) this.#told.onTrackGone(context.trackId);
    });
    webrtc.connect({ displayName: this.#name });
  }

  /** Closes the connection that the client would only forget. */
  #closeMedia(): void {
    const { connection } = (this.#webrtc ?? {}) as { connection?: RTCPeerConnection };
    this.#webrtc?.cleanUp();
    connection?.close();
    this.#webrtc = null;
  }

  /** Brings what is sent in line with what is wanted, once everything before has been done. */
  #settle(input: Input): void {
    const webrtc = this.#webrtc;
    if (webrtc === null) return;
    this.#work = this.#work.then(async () => {
      if (this.#webrtc !== webrtc) return;
      const wanted = this.#wanted.get(input) ?? null;
      const sent = this.#sent.get(input);
      if (sent === undefined) {
        if (wanted !== null) await this.#add(webrtc, input, wanted);
      } else if (wanted === null) {
        webrtc.updateTrackMetadata(sent.id, { type: input, active: false });
      } else if (wanted !== sent.track) {
        await webrtc.replaceTrack(sent.id, wanted, { type: input, active: true });
        sent.track = wanted;
      } else {
        webrtc.updateTrackMetadata(sent.id, { type: input, active: true });
      }
    });
  }

  async #add(webrtc: WebRTCEndpoint, input: Input, track: MediaStreamTrack): Promise<void> {
    // Sound and picture of one person share a stream: pages show them by it.
    const stream = this.#stream;
    stream.addTrack(track);
    const metadata = { type: input, active: true };
    const isLayered = input === "camera" && this.#hasLayers;
    const simulcast = { enabled: isLayered, activeEncodings: isLayered ? [...LAYERS.keys()] : [], disabledEncodings: [] };
    const limit = isLayered ? new Map(LAYERS) : input === "camera" ? CAMERA_KBPS : MICROPHONE_KBPS;
    const id = await webrtc.addTrack(track, stream, metadata, simulcast, limit);
    if (this.#webrtc === webrtc) this.#sent.set(input, { id, track });
  }
}

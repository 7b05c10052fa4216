// The page of the browser suite: one unmodified client in one room, with its eyes and ears open.
// The scenarios drive it through `window.snug`.

import { endpoints, simulcastOf, sockets } from "./releases.js";
import * as sources from "./sources.js";
import { View } from "./view.js";

/** How many media events are remembered: a scenario that says more is broken. */
const EVENTS_MAX = 20_000;

// The clients keep their connection to themselves; this only remembers each that is made.
const connections = [];
window.RTCPeerConnection = class extends window.RTCPeerConnection {
  constructor(...configuration) {
    super(...configuration);
    connections.push(this);
  }
};

// The clients complain with whole events, of which a log shows nothing.
for (const level of ["warn", "error"]) {
  const say = console[level].bind(console);
  console[level] = (...words) => say(...words.map(inWords));
}

function inWords(word) {
  if (!(word instanceof Event)) return word;
  const { type, errorCode, errorText, address, url } = word;
  return `event ${JSON.stringify({ type, errorCode, errorText, address, url })}`;
}

/** One client in one room. */
class Participant {
  /** Media events in order: `way` is "sent" or "received", `type` as inside `custom`. */
  events = [];
  /** What is received, by track id; also of tracks that are gone. */
  views = new Map();
  /** Ids and metadata of the others that are here. */
  others = new Map();
  /** Own tracks by the name a scenario gave them. */
  own = new Map();
  errors = [];
  joins = 0;
  channelErrors = 0;
  channelCloses = 0;
  /** Codes with which sockets of this page were closed. */
  socketCloses = [];
  disconnected = 0;
  id = null;
  servers = [];

  async join({ client, phoenix, url, room, name, simulcast = null, other = null }) {
    Object.assign(this, { client, name });
    this.socket = new sockets[phoenix](url, {});
    this.socket.onClose((event) => this.socketCloses.push(event?.code));
    this.socket.connect();
    const params = simulcast === null ? {} : { isSimulcastOn: simulcast };
    this.channel = this.socket.channel(`room:${room}`, { ...params, ...other });
    this.channel.onError(() => {
      this.channelErrors += 1;
    });
    this.channel.onClose(() => {
      this.channelCloses += 1;
    });
    this.channel.on("mediaEvent", ({ data }) => this.receive(data));
    this.channel.on("simulcastConfig", (config) => {
      this.simulcastConfig = config;
    });
    this.channel.on("error", ({ message }) => this.errors.push(`channel: ${message}`));
    this.startedAt = Date.now();
    const joined = new Promise((resolve, reject) => {
      const joining = this.channel.join();
      joining.receive("ok", () => {
        this.joins += 1;
        resolve();
      });
      joining.receive("error", (reason) => reject(new Error(JSON.stringify(reason))));
    });
    await joined;
    return this.enter();
  }

  /** Says `connect` with a new client, as an application does that was thrown out. */
  async enter() {
    this.webrtc = new endpoints[this.client]();
    this.views.forEach((view) => view.stop());
    this.views = new Map();
    this.others = new Map();
    this.own = new Map();
    this.follow(this.webrtc);
    const connected = new Promise((resolve) => {
      this.webrtc.on("connected", (id, others) => resolve({ id, others }));
    });
    this.webrtc.connect({ displayName: this.name });
    const { id, others } = await connected;
    this.id = id;
    others.forEach((other) => this.others.set(other.id, other.metadata));
    return id;
  }

  follow(webrtc) {
    webrtc.on("sendMediaEvent", (data) => {
      this.note("sent", data);
      this.channel.push("mediaEvent", { data });
    });
    webrtc.on("connectionError", (message) => this.errors.push(`connection: ${message}`));
    webrtc.on("disconnected", () => {
      this.disconnected += 1;
    });
    webrtc.on("endpointAdded", ({ id, metadata }) => this.others.set(id, metadata));
    webrtc.on("endpointUpdated", ({ id, metadata }) => this.others.set(id, metadata));
    webrtc.on("endpointRemoved", ({ id }) => this.others.delete(id));
    webrtc.on("trackAdded", (context) => {
      const known = this.views.get(context.trackId);
      if (known) known.added += 1;
      else this.views.set(context.trackId, new View(context));
    });
    webrtc.on("trackReady", (context) => this.views.get(context.trackId).ready(context));
    webrtc.on("trackRemoved", (context) => {
      const view = this.views.get(context?.trackId);
      if (!view) return;
      view.removed += 1;
      view.stop();
    });
  }

  receive(data) {
    this.note("received", data);
    this.webrtc.receiveMediaEvent(data);
  }

  note(way, data) {
    const event = JSON.parse(data);
    const inner = event.type === "custom" ? event.data : event;
    if (this.events.length >= EVENTS_MAX) throw new Error("too many media events");
    if (inner.type === "offerData" && this.servers.length === 0) {
      this.servers = inner.data.integratedTurnServers;
    }
    this.events.push({ at: Date.now(), way, type: inner.type, data: inner.data });
  }

  /** Adds a camera; with layers when `encodings` names some. */
  async addCamera({ as = "camera", encodings = [], limit = 0, apart = false, ...shape } = {}) {
    const track = await sources.camera(shape);
    const stream = apart ? new MediaStream() : this.streamOf(as);
    return this.add(as, track, { encodings, limit, stream });
  }

  /** Adds a tone, in the stream of an own track when one is named. */
  async addTone(hertz, as = "microphone", beside = null) {
    const { track, loudness } = sources.tone(hertz);
    this.loudness = loudness;
    return this.add(as, track, { stream: this.own.get(beside)?.stream });
  }

  /** Adds the browser's microphone. */
  async addMicrophone(as = "microphone") {
    return this.add(as, await sources.microphone());
  }

  /** Sound and picture of a person share a stream, as in every application for this client. */
  streamOf(as) {
    this.stream ??= new MediaStream();
    return as === "screensharing" ? new MediaStream() : this.stream;
  }

  async add(as, track, { encodings = [], limit = 0, stream = this.streamOf(as) } = {}) {
    stream.addTrack(track);
    const metadata = { type: as, active: true };
    const simulcast = simulcastOf(this.client, encodings);
    const adding = this.webrtc.addTrack(track, stream, metadata, simulcast, limit);
    const id = await adding;
    this.own.set(as, { id, track, stream });
    return id;
  }

  /** Removes what was added under this name. */
  async remove(as) {
    const { id, track, stream } = this.own.get(as);
    await this.webrtc.removeTrack(id);
    this.own.delete(as);
    stream.removeTrack(track);
    track.stop();
  }

  /** Adds and removes a track so many times, as fast as the client does. */
  async churn(rounds, hertz) {
    for (let round = 0; round < rounds; round += 1) {
      await this.addTone(hertz, "extra");
      await this.remove("extra");
    }
    return rounds;
  }

  /** Leaves for good. */
  leave() {
    this.webrtc.disconnect();
    this.channel.leave();
    this.socket.disconnect();
  }

  get connection() {
    return connections.at(-1);
  }

  count(way, type) {
    return this.events.filter((event) => event.way === way && event.type === type).length;
  }

  /** The views of one other person that are still there. */
  of(endpointId, kind) {
    return [...this.views.values()].filter(
      (view) =>
        view.endpointId === endpointId && view.removed === 0 && (!kind || view.kind === kind),
    );
  }

  /** How much of that kind of that person was decoded so far: pictures, or moments of sound. */
  frames(endpointId, kind) {
    return this.of(endpointId, kind).reduce((sum, view) => sum + view.frames, 0);
  }

  /**
   * The longest time without that kind of that person since the last `measureGaps`, of what was
   * there by then.
   */
  gap(endpointId, kind) {
    const measured = this.of(endpointId, kind).filter((view) => view.isMeasured);
    return Math.max(...measured.map((view) => view.gap()));
  }

  /** Forgets all gaps so far. */
  measureGaps() {
    this.views.forEach((view) => view.measureGap());
  }

  /** Whether this many tracks of that kind of that person have been decoded. */
  receives(endpointId, kind, count = 1) {
    return this.of(endpointId, kind).filter((view) => view.frames > 0).length >= count;
  }

  async stats(type) {
    const report = await this.connection.getStats();
    return [...report.values()].filter((entry) => entry.type === type);
  }

  /** The pair of candidates that carries everything: its kinds and how it reaches its relay. */
  async path() {
    const report = await this.connection.getStats();
    const pairs = [...report.values()].filter((entry) => entry.type === "candidate-pair");
    const pair = pairs.find((it) => it.selected ?? (it.nominated && it.state === "succeeded"));
    if (!pair) return null;
    const [local, remote] = [report.get(pair.localCandidateId), report.get(pair.remoteCandidateId)];
    return {
      local: local?.candidateType,
      remote: remote?.candidateType,
      relay: local?.relayProtocol,
      address: local?.address,
    };
  }

  /** What was received of everybody together so far, as the browser itself counts it. */
  async received() {
    const all = await this.stats("inbound-rtp");
    const sum = (kind, figure) =>
      all.filter((it) => it.kind === kind).reduce((sum, it) => sum + (it[figure] ?? 0), 0);
    return {
      at: performance.now() / 1000,
      frozen: sum("video", "totalFreezesDuration"),
      pictures: sum("video", "framesDecoded"),
      concealed: sum("audio", "concealedSamples"),
      samples: sum("audio", "totalSamplesReceived"),
      packets: sum("audio", "packetsReceived"),
    };
  }

  /** How many bits a second of pictures are sent, headers apart, over so many seconds. */
  async sentRate(seconds) {
    const bytes = async () => {
      const sent = (await this.stats("outbound-rtp")).filter(({ kind }) => kind === "video");
      return sent.reduce((sum, { bytesSent = 0 }) => sum + bytesSent, 0);
    };
    const [before, start] = [await bytes(), performance.now()];
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    return ((await bytes()) - before) * 8000 / (performance.now() - start);
  }

  /** The layers that are really sent, by rid, with width and frames so far. */
  async layers() {
    const sent = (await this.stats("outbound-rtp")).filter(({ kind }) => kind === "video");
    return Object.fromEntries(
      sent.map(({ rid = "", frameWidth, framesSent, active }) => [
        rid,
        { width: frameWidth ?? 0, frames: framesSent ?? 0, active },
      ]),
    );
  }

  summary() {
    return {
      id: this.id,
      others: [...this.others.keys()],
      views: [...this.views.values()].map((view) => view.summary()),
      connection: this.connection?.connectionState,
      ice: this.connection?.iceConnectionState,
      errors: this.errors,
      latest: this.events.slice(-8).map(({ way, type }) => `${way} ${type}`),
    };
  }
}

/** Waits until something holds, and returns it. */
async function until(holds, withinMs) {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const value = await holds();
    if (value) return value;
    if (Date.now() > deadline) return null;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

window.snug = Object.assign(new Participant(), { until, connections, sources });

// What a page receives of one track: how often it was announced, and what was decoded of it when.

import { audio } from "./sources.js";

/** Loudness (root mean square of samples in -1..1) from which a track counts as heard. */
const HEARD = 0.02;

const LISTEN_EVERY_MS = 50;

/** One received track. */
export class View {
  constructor(context) {
    this.trackId = context.trackId;
    this.endpointId = context.endpoint.id;
    this.context = context;
    this.added = 1;
    this.removed = 0;
    this.readies = 0;
    this.kind = null;
    this.streamIds = new Set();
    this.frames = 0;
    this.firstAt = null;
    this.lastAt = null;
    this.widths = [];
    this.gapMs = 0;
    this.unheardMs = 0;
    this.hertz = 0;
    this.loudness = 0;
    this.encodings = [];
    this.voices = [];
    context.on("encodingChanged", ({ encoding, encodingReason }) =>
      this.encodings.push({ at: Date.now(), encoding, reason: encodingReason }),
    );
    context.on("voiceActivityChanged", ({ vadStatus }) =>
      this.voices.push({ at: Date.now(), status: vadStatus }),
    );
  }

  /** Plays what the client says is ready, as the tutorial's page does: by its stream. */
  ready({ track, stream }) {
    this.readies += 1;
    this.kind = track.kind;
    if (stream) this.streamIds.add(stream.id);
    this.stop();
    const element = document.createElement(track.kind);
    element.autoplay = true;
    element.playsInline = true;
    element.srcObject = stream ?? new MediaStream([track]);
    document.body.append(element);
    this.element = element;
    if (track.kind === "video") {
      element.muted = true;
      this.watch(element);
    } else {
      this.listen(track);
    }
    element.play().catch(() => {
      // It starts by itself when something arrives, or was replaced.
    });
  }

  watch(element) {
    const look = () => {
      if (this.element !== element) return;
      this.noteFrame(element.videoWidth);
      element.requestVideoFrameCallback(look);
    };
    element.requestVideoFrameCallback(look);
  }

  noteFrame(width) {
    if (this.lastAt) this.gapMs = Math.max(this.gapMs, Date.now() - this.lastAt);
    this.advance();
    if (this.width !== width) this.widths.push({ at: this.lastAt, width });
  }

  /** Notes a picture, or a moment of sound. */
  advance() {
    const now = Date.now();
    this.frames += 1;
    this.firstAt ??= now;
    this.lastAt = now;
  }

  listen(track) {
    const source = new MediaStreamAudioSourceNode(audio(), { mediaStream: new MediaStream([track]) });
    const ear = new AnalyserNode(audio(), { fftSize: 4096 });
    source.connect(ear);
    // Browsers pull sound only through what is connected to the end.
    ear.connect(new GainNode(audio(), { gain: 0 })).connect(audio().destination);
    this.ear = setInterval(() => this.hear(ear), LISTEN_EVERY_MS);
  }

  hear(ear) {
    // Sound is played by another thread. While this one is busy, nobody listens, and what nobody
    // listened to is not missing.
    const now = Date.now();
    this.unheardMs += Math.min(now - (this.listenedAt ?? now), 2 * LISTEN_EVERY_MS);
    this.gapMs = Math.max(this.gapMs, this.unheardMs);
    this.listenedAt = now;
    const samples = new Float32Array(ear.fftSize);
    ear.getFloatTimeDomainData(samples);
    this.loudness = Math.sqrt(samples.reduce((sum, s) => sum + s * s, 0) / samples.length);
    if (this.loudness < HEARD) return;
    const levels = new Float32Array(ear.frequencyBinCount);
    ear.getFloatFrequencyData(levels);
    const strongest = levels.reduce((best, level, bin) => (level > levels[best] ? bin : best), 0);
    this.hertz = Math.round((strongest * audio().sampleRate) / ear.fftSize);
    this.unheardMs = 0;
    this.advance();
  }

  /** Forgets the longest gap, so that the next is measured from now on. */
  measureGap() {
    this.gapMs = 0;
    this.unheardMs = 0;
    this.isMeasured = true;
  }

  /** The longest gap since then, the one that lasts included: of sound while somebody listened. */
  gap() {
    if (!this.lastAt) return Number.MAX_SAFE_INTEGER;
    return this.kind === "audio" ? this.gapMs : Math.max(this.gapMs, Date.now() - this.lastAt);
  }

  get width() {
    return this.widths.at(-1)?.width ?? 0;
  }

  stop() {
    clearInterval(this.ear);
    if (this.element) {
      this.element.srcObject = null;
      this.element.remove();
      this.element = undefined;
    }
  }

  summary() {
    const { trackId, endpointId, kind, readies, added, removed, frames, width, hertz, firstAt } = this;
    return { trackId, endpointId, kind, readies, added, removed, frames, width, hertz, firstAt };
  }
}

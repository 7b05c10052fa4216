// A program that speaks with one release of npm `phoenix`, unmodified, to a room server:
//
//     node node/phoenix.mjs RELEASE ws://HOST:PORT/socket ROOM
//
// It prints one line of JSON for each thing that went as a real Phoenix would have it, and ends
// with 1 and a sentence at the first that did not. `tests/phoenix_clients.rs` reads the lines.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { WebSocket } from "ws";

/** How long anything may take that is not measured. The longest rejoin waits a second. */
const PATIENCE_MS = 15_000;

/** Short, so that several are seen; the releases' own is 30 s. */
const HEARTBEAT_MS = 150;

const [release, url, room] = process.argv.slice(2);
const topic = `room:${room}`;
const speaksV1 = release === "1.2";
// The releases before it have no encoder for bytes.
const hasBinary = ["1.6", "1.8"].includes(release);

// 1.2 and 1.3 look for their transport there.
globalThis.window = { WebSocket };
const { Socket } = createRequire(import.meta.url)(`phoenix-${release}`);

/** Every frame of every socket, as sent and received. */
const frames = [];

/** The transport under all sockets: the real one, with a copy of each frame. */
class Recorded extends WebSocket {
  constructor(address) {
    super(address);
    this.addEventListener("message", ({ data }) => frames.push({ from: "server", data }));
  }

  send(data) {
    frames.push({ from: "client", data });
    super.send(data);
  }
}

function step(name) {
  console.log(JSON.stringify({ type: "step", at_ms: Date.now(), name }));
}

async function until(what, holds) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const value = holds();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`phoenix ${release}: no ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function connect() {
  const socket = new Socket(url, { transport: Recorded, heartbeatIntervalMs: HEARTBEAT_MS });
  socket.opened = 0;
  socket.onOpen(() => {
    socket.opened += 1;
  });
  socket.connect();
  return socket;
}

/** Follows one channel: what it was told, and what became of it. */
class Peer {
  constructor(socket, name) {
    this.name = name;
    this.events = [];
    this.oks = 0;
    this.errors = 0;
    this.closes = 0;
    this.channel = socket.channel(topic, {});
    this.channel.on("mediaEvent", ({ data }) => {
      assert.equal(typeof data, "string", "what is said in a room is JSON in a string");
      this.events.push(JSON.parse(data));
    });
    this.channel.onError(() => {
      this.errors += 1;
    });
    this.channel.onClose(() => {
      this.closes += 1;
    });
    const joining = this.channel.join();
    // Called again after each rejoin, as an application sees it.
    joining.receive("ok", (response) => {
      assert.deepEqual(response, {}, "an unmodified client gets an empty answer");
      this.oks += 1;
    });
  }

  say(type, data) {
    this.channel.push("mediaEvent", { data: JSON.stringify({ type, data }) });
  }

  heard(type, matches = () => true) {
    return this.events.find((event) => event.type === type && matches(event.data));
  }

  /** Enters the room and returns its new id. */
  async enter() {
    const before = this.events.length;
    this.say("connect", { metadata: { displayName: this.name } });
    const connected = await until(`connected of ${this.name}`, () =>
      this.events.slice(before).find((event) => event.type === "connected"),
    );
    assert.match(connected.data.id, /^[0-9a-f-]{36}$/);
    return connected.data.id;
  }

  async sees(type, id) {
    await until(`${type} of ${id}`, () => this.heard(type, (data) => data.id === id));
  }
}

function assertEncoding() {
  for (const { data } of frames.filter(({ data }) => typeof data === "string")) {
    assert.equal(Array.isArray(JSON.parse(data)), !speaksV1, data);
  }
}

async function joinAndPush() {
  const [first, second] = [connect(), connect()];
  const [ann, bob] = [new Peer(first, "Ann"), new Peer(second, "Bob")];
  await until("join", () => ann.oks === 1 && bob.oks === 1);
  step("join");
  ann.id = await ann.enter();
  bob.id = await bob.enter();
  await ann.sees("endpointAdded", bob.id);
  const present = bob.heard("connected").data.otherEndpoints;
  assert.deepEqual(
    present.map(({ id, type, metadata }) => ({ id, type, metadata })),
    [{ id: ann.id, type: "webrtc", metadata: { displayName: "Ann" } }],
  );
  assertEncoding();
  step("push");
  return { first, second, ann, bob };
}

/** A frame's topic, event and reference, in whichever form it came. */
function parts({ data }) {
  if (typeof data !== "string") return {};
  const frame = JSON.parse(data);
  if (!Array.isArray(frame)) return frame;
  const [, ref, topic, event, payload] = frame;
  return { ref, topic, event, payload };
}

async function heartbeat() {
  const sent = () =>
    frames.filter((frame) => frame.from === "client" && parts(frame).event === "heartbeat");
  await until("three heartbeats", () => sent().length >= 3);
  const { ref } = parts(sent()[0]);
  const answer = await until("answer to a heartbeat", () =>
    frames.find((frame) => {
      const { event, topic, ref: answered } = parts(frame);
      return event === "phx_reply" && topic === "phoenix" && answered === ref;
    }),
  );
  assert.deepEqual(parts(answer).payload, { status: "ok", response: {} });
  step("heartbeat");
}

/** What a client says that no channel understands kills the channel, and the socket lives. */
async function crashAndRejoin({ first, ann, bob }) {
  const former = ann.id;
  ann.channel.push("mediaEvent", { no: "data" });
  await until("phx_error", () => ann.errors === 1);
  await bob.sees("endpointRemoved", former);
  await until("rejoin", () => ann.oks === 2);
  assert.equal(first.opened, 1, "only the channel crashed");
  ann.id = await ann.enter();
  assert.notEqual(ann.id, former, "who joins anew is somebody new");
  await bob.sees("endpointAdded", ann.id);
  step("crash and rejoin");
}

/** Bytes that the channel does not understand are a crash like any other. */
async function binary({ second, ann, bob }) {
  const { errors, oks, id } = { ...bob };
  bob.channel.push("mediaEvent", new Uint8Array([1, 2, 3]).buffer);
  await until("phx_error", () => bob.errors === errors + 1);
  const sent = frames.some(({ from, data }) => from === "client" && typeof data !== "string");
  assert.ok(sent, "it was sent as bytes");
  await until("rejoin", () => bob.oks === oks + 1);
  assert.equal(second.opened, 1, "the socket understood the frame");
  await ann.sees("endpointRemoved", id);
  bob.id = await bob.enter();
  step("binary");
}

/** Who joins a topic twice on one socket is there once, in the later channel. */
async function duplicateJoin({ second, ann, bob }) {
  const former = bob.id;
  let again = new Peer(second, "Bob again");
  await until("second join", () => again.oks === 1);
  await ann.sees("endpointRemoved", former);
  if (speaksV1) {
    // V1's close names no join, so the client takes it for both, with a real Phoenix as well;
    // a new socket helps.
    await until("close of both", () => bob.closes === 1 && again.closes === 1);
    second.disconnect();
    again = new Peer(connect(), "Bob once more");
    await until("third join", () => again.oks === 1);
  }
  again.id = await again.enter();
  await ann.sees("endpointAdded", again.id);
  assert.equal(again.errors, 0);
  step("duplicate join");
  return again;
}

/** A socket that breaks is opened again by the client, and each of its channels joins anew. */
async function reconnect({ first, ann, bob }) {
  const former = ann.id;
  first.conn.terminate();
  await until("second opening", () => first.opened === 2);
  await until("join on the new socket", () => ann.oks === 3);
  await bob.sees("endpointRemoved", former);
  ann.id = await ann.enter();
  await bob.sees("endpointAdded", ann.id);
  step("reconnect");
}

async function refusals({ first }) {
  const refused = {};
  for (const wrong of ["lobby", "room"]) {
    const channel = first.channel(wrong, {});
    channel.join().receive("error", (response) => {
      refused[wrong] ??= response;
      // It would try again for ever.
      channel.rejoinTimer?.reset();
    });
    await until(`refusal of ${wrong}`, () => refused[wrong]);
    assert.deepEqual(refused[wrong], { reason: "unmatched topic" });
    channel.leave();
  }
  step("refusals");
}

async function leave({ ann, bob }) {
  let left = false;
  bob.channel.leave().receive("ok", () => {
    left = true;
  });
  await until("leave", () => left && bob.closes === 1);
  await ann.sees("endpointRemoved", bob.id);
  step("leave");
}

const people = await joinAndPush();
await heartbeat();
await crashAndRejoin(people);
if (hasBinary) await binary(people);
await refusals(people);
people.bob = await duplicateJoin(people);
await reconnect(people);
await leave(people);
assertEncoding();
people.first.disconnect();
people.second.disconnect();
step("end");
process.exit(0);

import { beforeEach, describe, expect, test, vi } from "vitest";

import { TileClient } from "../../src/tiles/client";
import { fakeCanvas, FakeEnvironment, FakePicture, settle } from "./environment";
import { i420Message, levelsMessage, vp8Message } from "./messages";

let environment: FakeEnvironment;
let client: TileClient;

beforeEach(() => {
  environment = new FakeEnvironment();
  client = new TileClient(environment);
});

/** Shows tile 5 and lets the program know. */
async function showFive(): Promise<ReturnType<TileClient["show"]>> {
  const shown = client.show(5, fakeCanvas(), 360);
  await environment.open();
  return shown;
}

describe("the socket", () => {
  test("is opened when something is shown, and says the token first", async () => {
    await settle();
    expect(environment.sockets).toHaveLength(0);
    await showFive();
    expect(environment.socket.url).toBe("ws://127.0.0.1:4321/");
    expect(environment.socket.binaryType).toBe("arraybuffer");
    expect(environment.socket.said).toEqual(["token-1", '{"tiles":[{"tile":5,"height":360,"raw":false}],"levels":false}']);
  });

  test("can be opened before anything is shown, and then says that nothing is", async () => {
    client.open();
    await settle();
    const end = client.wantLevels();
    end();
    await settle();
    await environment.open();
    client.open();
    await settle();
    expect(environment.sockets).toHaveLength(1);
    expect(environment.socket.watched).toEqual([{ tiles: [], levels: false }]);
    client.show(5, fakeCanvas(), 360);
    await environment.pass(0);
    expect(environment.socket.watched.at(-1)?.tiles).toHaveLength(1);
  });

  test("is opened anew with a fresh token, ever more slowly, and says everything again", async () => {
    await showFive();
    environment.refusesAccess = true;
    environment.socket.onclose?.(new CloseEvent("close"));
    await environment.pass(249);
    await environment.pass(1);
    await environment.pass(499);
    environment.refusesAccess = false;
    expect(environment.sockets).toHaveLength(1);
    await environment.pass(1);
    expect(environment.sockets).toHaveLength(2);
    await environment.open();
    expect(environment.socket.said[0]).toBe("token-2");
    expect(environment.socket.watched).toEqual([{ tiles: [{ tile: 5, height: 360, raw: false }], levels: false }]);
  });

  test("a decoder does not outlive its socket", async () => {
    await showFive();
    environment.socket.receive(vp8Message(5, true));
    environment.socket.onclose?.(new CloseEvent("close"));
    expect(environment.decoder.isClosed).toBe(true);
  });

  test("stays closed after the end", async () => {
    await showFive();
    client.close();
    expect(environment.socket.isClosed).toBe(true);
    environment.socket.onclose?.(new CloseEvent("close"));
    await environment.pass(60_000);
    expect(environment.sockets).toHaveLength(1);
  });
});

describe("what is watched", () => {
  test("changes within a moment are said once, and nothing twice", async () => {
    const shown = await showFive();
    shown.resize(400);
    shown.resize(700);
    client.show(6, fakeCanvas(), 180);
    client.wantLevels();
    await environment.pass(40);
    shown.resize(701);
    await environment.pass(40);
    expect(environment.socket.watched.slice(1)).toEqual([
      { tiles: [{ tile: 5, height: 720, raw: false }, { tile: 6, height: 180, raw: false }], levels: true },
    ]);
  });

  test("a tile that leaves the page is not watched, and its decoder goes", async () => {
    const shown = await showFive();
    environment.socket.receive(vp8Message(5, true));
    shown.close();
    expect(environment.decoder.isClosed).toBe(true);
    await environment.pass(40);
    expect(environment.socket.watched.at(-1)).toEqual({ tiles: [], levels: false });
    environment.socket.receive(vp8Message(5, true));
    expect(environment.decoders).toHaveLength(1);
  });

  test("a hidden page watches nothing at once, and everything when it is seen again", async () => {
    client.wantLevels();
    await showFive();
    environment.socket.receive(vp8Message(5, true));
    environment.hide(true);
    expect(environment.socket.watched.at(-1)).toEqual({ tiles: [], levels: false });
    expect(environment.decoder.isClosed).toBe(true);
    environment.socket.receive(vp8Message(5, true));
    expect(environment.decoders).toHaveLength(1);
    environment.hide(false);
    expect(environment.socket.watched.at(-1)).toEqual({ tiles: [{ tile: 5, height: 360, raw: false }], levels: true });
  });

  test("two views of one tile ask for the larger, and the second keeps it alive", async () => {
    const large = client.show(0, fakeCanvas(), 360);
    client.show(0, fakeCanvas(), 90);
    await environment.open();
    expect(environment.socket.watched).toEqual([{ tiles: [{ tile: 0, height: 360, raw: true }], levels: false }]);
    large.close();
    await environment.pass(40);
    client.wantLevels();
    await environment.pass(40);
    expect(environment.socket.watched.at(-1)).toEqual({ tiles: [{ tile: 0, height: 90, raw: true }], levels: true });
  });

  test("without VP8 here, pictures are asked for raw", async () => {
    environment.hasVp8 = false;
    await showFive();
    expect(environment.socket.watched).toEqual([{ tiles: [{ tile: 5, height: 360, raw: true }], levels: false }]);
    client.show(6, fakeCanvas(), 360);
    await environment.pass(40);
    expect(environment.socket.watched.at(-1)?.tiles.map(({ raw }) => raw)).toEqual([true, true]);
  });

  test("who no longer wants loudness takes only their own wish back", async () => {
    const first = client.wantLevels();
    client.wantLevels();
    await environment.open();
    first();
    first();
    await environment.pass(40);
    expect(environment.socket.watched).toEqual([{ tiles: [], levels: true }]);
  });
});

describe("a decoder", () => {
  test("begins with a keyframe and takes everything in order", async () => {
    await showFive();
    for (const isKeyframe of [false, false, true, false, false]) environment.socket.receive(vp8Message(5, isKeyframe));
    expect(environment.decoders).toHaveLength(1);
    expect(environment.decoder.decoded).toEqual([true, false, false]);
  });

  test("that fails is replaced, with a new keyframe asked for", async () => {
    await showFive();
    environment.socket.receive(vp8Message(5, true));
    const first = environment.decoder;
    first.onError();
    expect(first.isClosed).toBe(true);
    expect(environment.socket.watched.at(-1)?.tiles).toEqual([]);
    await environment.pass(120);
    expect(environment.socket.watched.at(-1)?.tiles).toEqual([{ tile: 5, height: 360, raw: false }]);
    environment.socket.receive(vp8Message(5, false));
    environment.socket.receive(vp8Message(5, true));
    expect(environment.decoders).toHaveLength(2);
    // What an old decoder still reports is nobody's concern any more.
    first.onError();
    expect(environment.decoder.isClosed).toBe(false);
  });

  test("that fails twice in a short while is given up: pictures come raw", async () => {
    await showFive();
    for (let time = 0; time < 2; time += 1) {
      environment.socket.receive(vp8Message(5, true));
      environment.decoder.onPicture(new FakePicture(640, 360));
      environment.decoder.onError();
      await environment.pass(120);
    }
    expect(environment.socket.watched.at(-1)?.tiles).toEqual([{ tile: 5, height: 360, raw: true }]);
    environment.socket.receive(vp8Message(5, true));
    expect(environment.decoders).toHaveLength(2);
    environment.socket.receive(i420Message(5, 64, 36));
    environment.paint();
    expect(environment.pictures[0]?.drawn).toBe(1);
  });

  test("that fails again after a long good time is only replaced", async () => {
    await showFive();
    for (let time = 0; time < 3; time += 1) {
      environment.socket.receive(vp8Message(5, true));
      for (let picture = 0; picture < 300; picture += 1) environment.decoder.onPicture(new FakePicture(64, 36));
      environment.decoder.onError();
      await environment.pass(120);
    }
    expect(environment.socket.watched.at(-1)?.tiles).toEqual([{ tile: 5, height: 360, raw: false }]);
  });

  test("that is behind gets no more, and goes on with a keyframe when it has caught up", async () => {
    await showFive();
    environment.socket.receive(vp8Message(5, true));
    environment.decoder.waiting = 60;
    for (let frame = 0; frame < 30; frame += 1) environment.socket.receive(vp8Message(5, false));
    expect(environment.decoder.decoded).toHaveLength(1);
    expect(environment.socket.watched).toHaveLength(1);
    environment.decoder.waiting = 0;
    environment.socket.receive(vp8Message(5, false));
    await environment.pass(120);
    expect(environment.socket.watched.map(({ tiles }) => tiles.length)).toEqual([1, 0, 1]);
    environment.socket.receive(vp8Message(5, true));
    environment.socket.receive(vp8Message(5, false));
    expect(environment.decoders).toHaveLength(1);
    expect(environment.decoder.decoded).toEqual([true, true, false]);
  });

  test("that is slow to start is given the time, and shows what it then decodes", async () => {
    await showFive();
    environment.socket.receive(vp8Message(5, true));
    environment.decoder.waiting = 60;
    for (let frame = 0; frame < 100; frame += 1) {
      environment.socket.receive(vp8Message(5, frame % 50 === 0));
      await environment.pass(40);
    }
    expect(environment.decoder.isClosed).toBe(false);
    environment.decoder.onPicture(new FakePicture(640, 360));
    expect(environment.paint()).toBe(1);
    expect(environment.decoders).toHaveLength(1);
  });

  test("that never shows anything is replaced after some ten seconds, and then given up", async () => {
    await showFive();
    const goOn = async (frames: number) => {
      for (let frame = 0; frame < frames; frame += 1) {
        environment.socket.receive(vp8Message(5, frame % 50 === 0));
        environment.decoder.waiting = 60;
        await environment.pass(40);
      }
    };
    await goOn(250);
    expect(environment.decoders).toHaveLength(1);
    await goOn(150);
    expect(environment.decoders).toHaveLength(2);
    await goOn(400);
    expect(environment.socket.watched.at(-1)?.tiles).toEqual([{ tile: 5, height: 360, raw: true }]);
  });

  test("whose keyframe was lost asks for another after two seconds", async () => {
    await showFive();
    for (let frame = 0; frame < 49; frame += 1) environment.socket.receive(vp8Message(5, false));
    expect(environment.socket.watched).toHaveLength(1);
    environment.socket.receive(vp8Message(5, false));
    await environment.pass(120);
    expect(environment.socket.watched.map(({ tiles }) => tiles.length)).toEqual([1, 0, 1]);
  });
});

describe("painting", () => {
  test("happens once a frame with the newest picture, and closes every picture", async () => {
    const canvas = fakeCanvas();
    const onPicture = vi.fn();
    client.show(5, canvas, 360, onPicture);
    await environment.open();
    environment.socket.receive(vp8Message(5, true));
    const pictures = [1, 2, 3].map(() => new FakePicture(640, 360));
    for (const picture of pictures) environment.decoder.onPicture(picture);
    expect(environment.paint()).toBe(1);
    expect(pictures.map(({ drawn }) => drawn)).toEqual([0, 0, 1]);
    expect(pictures.every(({ isClosed }) => isClosed)).toBe(true);
    expect([canvas.width, canvas.height]).toEqual([640, 360]);
    expect(environment.paint()).toBe(0);
    expect(onPicture.mock.calls).toEqual([[640, 360]]);
  });

  test("the canvas takes the size of each picture", async () => {
    const canvas = fakeCanvas();
    const onPicture = vi.fn();
    client.show(0, canvas, 360, onPicture);
    await environment.open();
    for (const [width, height] of [[320, 180], [320, 180], [90, 160]] as const) {
      environment.socket.receive(i420Message(0, width, height));
      environment.paint();
      expect([canvas.width, canvas.height]).toEqual([width, height]);
    }
    expect(onPicture.mock.calls).toEqual([[320, 180], [90, 160]]);
  });

  test("is counted, with what came too fast to be painted, until somebody asks", async () => {
    environment.hasVp8 = false;
    await showFive();
    client.takeWork();
    for (let count = 0; count < 3; count += 1) environment.socket.receive(i420Message(5, 16, 8));
    environment.paint();
    await environment.pass(500);
    expect(client.takeWork()).toEqual({ came: 3, painted: 1, paintMs: 0, lastedMs: 500, tiles: 1 });
    expect(client.takeWork()).toMatchObject({ came: 0, painted: 0, lastedMs: 0 });
  });

  test("all tiles are painted in one turn", async () => {
    client.show(1, fakeCanvas(), 360);
    client.show(2, fakeCanvas(), 360);
    await environment.open();
    environment.socket.receive(i420Message(1, 4, 4));
    environment.socket.receive(i420Message(2, 4, 4));
    expect(environment.paint()).toBe(1);
    expect(environment.pictures.map(({ drawn, isClosed }) => [drawn, isClosed])).toEqual([[1, true], [1, true]]);
  });

  test("what a closed decoder still delivers is closed, not shown", async () => {
    const shown = await showFive();
    environment.socket.receive(vp8Message(5, true));
    shown.close();
    const late = new FakePicture(640, 360);
    environment.decoder.onPicture(late);
    expect([late.isClosed, late.drawn, environment.paint()]).toEqual([true, 0, 0]);
  });

  test("a picture that waits for paint is closed with its tile", async () => {
    const shown = await showFive();
    environment.socket.receive(i420Message(5, 4, 4));
    shown.close();
    environment.paint();
    expect(environment.pictures.map(({ drawn, isClosed }) => [drawn, isClosed])).toEqual([[0, true]]);
  });
});

test("nobody is heard any more when the page is hidden or the socket closes", async () => {
  const listener = vi.fn();
  client.onLevels(listener);
  client.wantLevels();
  await environment.open();
  environment.socket.receive(levelsMessage({ me: -20, people: { a: -20 } }));
  environment.hide(true);
  expect(listener.mock.lastCall).toEqual([{ me: null, people: {} }]);
  environment.hide(false);
  environment.socket.receive(levelsMessage({ me: -20, people: { a: -20 } }));
  environment.socket.onclose?.(new CloseEvent("close"));
  expect(listener.mock.lastCall).toEqual([{ me: null, people: {} }]);
});

test("loudness goes to whoever listens", async () => {
  const listener = vi.fn();
  const end = client.onLevels(listener);
  client.wantLevels();
  await environment.open();
  environment.socket.receive(levelsMessage({ me: -20, people: {} }));
  end();
  environment.socket.receive(levelsMessage({ me: -30, people: {} }));
  expect(listener.mock.calls).toEqual([[{ me: -20, people: {} }]]);
});

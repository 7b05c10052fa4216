import { afterEach, beforeEach, expect, test } from "vitest";

import { Awake } from "../../src/ipc/browser/awake";
import { settle } from "../tiles/environment";

class Lock {
  released = false;
  release = async () => {
    this.released = true;
  };
}

let locks: Lock[];
let isVisible: boolean;
let refuses: boolean;

beforeEach(() => {
  locks = [];
  isVisible = true;
  refuses = false;
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => (isVisible ? "visible" : "hidden") });
  Object.defineProperty(navigator, "wakeLock", {
    configurable: true,
    value: {
      request: async () => {
        if (refuses) throw new DOMException("", "NotAllowedError");
        locks.push(new Lock());
        return locks.at(-1);
      },
    },
  });
});
afterEach(() => {
  Reflect.deleteProperty(document, "visibilityState");
  Reflect.deleteProperty(navigator, "wakeLock");
});

const held = () => locks.filter(({ released }) => !released).length;

async function see(visible: boolean): Promise<void> {
  isVisible = visible;
  // As browsers do.
  if (!visible) for (const lock of locks) lock.released = true;
  document.dispatchEvent(new Event("visibilitychange"));
  await settle();
}

test("the screen stays on during a call, and no longer", async () => {
  const awake = new Awake();
  awake.start();
  await see(true);
  expect(held()).toBe(0);
  awake.want(true);
  awake.want(true);
  await settle();
  expect(held()).toBe(1);
  awake.want(false);
  await settle();
  expect(held()).toBe(0);
});

test("it is asked for again when the page is seen again, and not after the call", async () => {
  const awake = new Awake();
  awake.start();
  awake.want(true);
  await settle();
  await see(false);
  expect(held()).toBe(0);
  await see(true);
  expect(held()).toBe(1);
  awake.want(false);
  await see(false);
  await see(true);
  expect(held()).toBe(0);
});

test("a call that ends while it is asked leaves nothing held", async () => {
  const awake = new Awake();
  awake.want(true);
  awake.want(false);
  await settle();
  expect(locks).toHaveLength(1);
  expect(held()).toBe(0);
});

test("a browser that refuses, or cannot, is no trouble", async () => {
  refuses = true;
  const awake = new Awake();
  awake.want(true);
  await settle();
  Reflect.deleteProperty(navigator, "wakeLock");
  awake.want(true);
  await settle();
  expect(held()).toBe(0);
});

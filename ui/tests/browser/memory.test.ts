import { expect, test } from "vitest";

import { keep, recall } from "../../src/ipc/browser/memory";

function storage(found: string | null = null) {
  return {
    text: found,
    getItem() {
      return this.text;
    },
    setItem(_: string, text: string) {
      this.text = text;
    },
  };
}

test("what was kept is found again, and a first visit begins with everything on", () => {
  const first = recall(storage());
  expect(first).toMatchObject({ name: "", camera_on: true, microphone_on: true, camera: null });
  const memory = storage();
  keep(memory, { ...first, name: "Ann", microphone_on: false, camera: "c1", language: "fr" });
  expect(recall(memory)).toEqual({ ...first, name: "Ann", microphone_on: false, camera: "c1", language: "fr" });
});

test("nonsense, and a browser that keeps nothing, are first visits", () => {
  for (const found of ["", "{", "7", "null", '{"name":7,"camera_on":"yes","language":"xx"}']) {
    expect(recall(storage(found)), found).toEqual(recall(storage()));
  }
  const full = { setItem: () => { throw new DOMException("", "QuotaExceededError"); } };
  expect(() => keep(full, recall(storage()))).not.toThrow();
});

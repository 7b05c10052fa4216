import { expect, test } from "vitest";

import { Roster } from "../../src/ipc/browser/roster";

function people(roster: Roster) {
  return roster.people().map(({ id, name, tile, microphone }) => ({ id, name, tile, microphone }));
}

test("people stand in the order in which they came, with what they send", () => {
  const roster = new Roster();
  roster.addPerson("b", { displayName: "Bo" });
  roster.addPerson("a", { displayName: "Ann" });
  const camera = roster.setTrack("b:1", "b", { type: "camera", active: true }, null);
  roster.setTrack("b:2", "b", { type: "microphone", active: false }, null);
  expect(people(roster)).toEqual([
    { id: "b", name: "Bo", tile: camera.tile, microphone: "muted" },
    { id: "a", name: "Ann", tile: null, microphone: "absent" },
  ]);
  // Off and on again: the tile stays the same one.
  roster.setTrack("b:1", "b", { type: "camera", active: false }, null);
  expect(people(roster)[0]?.tile).toBeNull();
  expect(roster.setTrack("b:1", "b", { type: "camera", active: true }, "video").tile).toBe(camera.tile);
  roster.removePerson("b");
  expect(people(roster).map(({ id }) => id)).toEqual(["a"]);
  roster.addPerson("b", { displayName: "Bo" });
  expect(people(roster).at(-1)).toMatchObject({ id: "b", tile: null, microphone: "absent" });
});

test("a track that says nothing of itself is what comes, and on", () => {
  const roster = new Roster();
  roster.addPerson("a", null);
  roster.setTrack("a:1", "a", undefined, null);
  expect(people(roster)).toEqual([{ id: "a", name: "", tile: null, microphone: "absent" }]);
  roster.setTrack("a:1", "a", undefined, "audio");
  expect(people(roster)[0]?.microphone).toBe("live");
});

test("what others say of themselves is not trusted to be short, or words", () => {
  const roster = new Roster();
  roster.addPerson("a", { displayName: "x".repeat(5000) });
  roster.addPerson("b", { displayName: { toString: "no" } });
  expect(people(roster).map(({ name }) => name.length)).toEqual([64, 0]);
  for (let at = 0; at < 5000; at += 1) roster.addPerson(`p${at}`, {});
  expect(people(roster).length).toBeLessThan(300);
});

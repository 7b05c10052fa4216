// Every code that the program can name has words, and the words follow the look's Voice.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

import { english as words } from "../../src/i18n/en";
import { deviceWords, problemSentence, problemWords } from "../../src/i18n/problems";
import { problem } from "../fixtures";

const root = join(import.meta.dirname, "../../..");

/** Reads the part of a Rust file between two marks. */
function rust(file: string, from: string, to: string): string {
  const text = readFileSync(join(root, file), "utf8");
  const begin = text.indexOf(from);
  const end = text.indexOf(to, begin + from.length);
  if (begin < 0 || end < 0) throw new Error(`${file} has no longer "${from}" before "${to}"`);
  return text.slice(begin, end);
}

function codesAfterArrows(text: string): string[] {
  return [...text.matchAll(/=>\s*"([a-z_]+)"/g)].map(([, code = ""]) => code);
}

const client = codesAfterArrows(rust("crates/client/src/error.rs", "pub fn code(&self)", "pub fn hint(&self)"));
const media = [
  ...codesAfterArrows(rust("crates/media/src/error.rs", "pub fn code(&self)", "pub fn hint(&self)")),
  ...codesAfterArrows(rust("crates/media/src/error/device.rs", "pub(super) fn code(", "pub(super) fn hint(")),
];
const reasons = [
  ...rust("crates/protocol/src/reason.rs", "const TABLE", "impl ReasonCode").matchAll(
    /ReasonCode::\w+,\s*"([^"]+)"/g,
  ),
].map(([, code = ""]) => code);

describe("codes of the program", () => {
  test("are found where they are defined", () => {
    expect(client).toContain("no_answer");
    expect(client.length).toBeGreaterThanOrEqual(17);
    expect(media).toEqual(expect.arrayContaining(["camera_busy", "speaker_failed", "codec_failed"]));
    expect(media.length).toBeGreaterThanOrEqual(26);
    expect(reasons).toEqual(expect.arrayContaining(["no such room", "room_full"]));
    expect(reasons.length).toBeGreaterThanOrEqual(12);
  });

  test.each([...client, ...media, ...reasons])("%s has words", (code) => {
    expect(words.problems.words).toHaveProperty([code]);
  });
});

describe.each(Object.keys(words.problems.words))("words of %s", (code) => {
  const details = { host: "192.168.1.20:7684", room: "Harbour crew", device: "Yeti Nano" };
  const spoken = [problemWords(problem(code)), problemWords(problem(code, details))];

  test("are sentences: what happened, then the next step", () => {
    for (const { title, hint } of spoken) {
      for (const text of [title, hint]) {
        expect(text).toMatch(/^\S.*[.?]$/);
        expect(text).not.toMatch(/[!_]|undefined|null|\bplease\b|\boops\b|\berror\b/i);
        expect(text).not.toMatch(/\b(peer|SFU|ICE|codec|socket|VP8)\b/);
      }
      expect(title[0]).toBe(title[0]?.toUpperCase());
      expect(hint[0]).toBe(hint[0]?.toUpperCase());
    }
  });
});

describe("problemWords", () => {
  test("are the look's, word by word", () => {
    const host = "192.168.1.20:7684";
    expect(problemSentence(problem("no_answer", { host }))).toBe(
      "No answer from 192.168.1.20:7684. Is Snug open on that computer? Is its firewall on?",
    );
    expect(problemSentence(problem("camera_busy"))).toBe(
      "Another program is using the camera. Close it there and try again. You can join without it.",
    );
  });

  test("for a code of a newer program are the program's own", () => {
    const newer = { ...problem("something_new"), message: "Something is new.", hint: "Update the page." };
    expect(problemWords(newer)).toEqual({ title: "Something is new.", hint: "Update the page." });
    expect(problemSentence({ ...newer, hint: "" })).toBe("Something is new.");
  });

  test("of a refusal by another server are that server's", () => {
    const refused = { ...problem("refused"), message: "The room says no: odd.", hint: "Ask its host." };
    expect(problemWords(refused).title).toBe("The room says no: odd.");
    expect(problemWords(problem("refused")).title).toMatch(/does not let you/);
  });

  test("keep a host's name as it is written", () => {
    expect(problemWords(problem("not_snug", { host: "studio.local" })).title).toMatch(/^studio\.local answers/);
    expect(problemWords(problem("not_snug")).title).toMatch(/^The host answers/);
  });
});

describe("deviceWords", () => {
  test("tell having none from having one elsewhere", () => {
    expect(deviceWords("camera", problem("no_device")).title).toBe("There is no camera on this computer.");
    expect(deviceWords("microphone", problem("microphone_absent", { device: "Yeti Nano" })).title).toBe(
      "Yeti Nano is not connected.",
    );
    expect(deviceWords("speaker", problem("speaker_busy")).title).toMatch(/^Another program/);
  });
});

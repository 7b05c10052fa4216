// What stands for a person without a picture.

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** Takes the first letters of the first and the last word; empty for an empty name. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter((word) => word !== "");
  const first = firstLetter(words[0]);
  const last = words.length > 1 ? firstLetter(words.at(-1)) : "";
  // Two characters of a wide script do not fit side by side.
  return isWide(first) ? first : first + last;
}

function firstLetter(word: string | undefined): string {
  if (word === undefined) return "";
  const [first] = segmenter.segment(word);
  return first?.segment.toLocaleUpperCase() ?? "";
}

function isWide(letter: string): boolean {
  return /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Extended_Pictographic}]/u.test(
    letter,
  );
}

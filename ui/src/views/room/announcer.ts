// Says who came and who left, for whoever cannot see the stage change.

import { words } from "../../i18n/en";
import type { ShownPerson } from "./people";

/** Makes a function that says what changed since it was asked last; nothing the first time. */
export function comingsAndGoings(): (people: readonly ShownPerson[]) => string {
  let before: ReadonlyMap<string, string> | null = null;
  let said = "";
  return (people) => {
    const now = new Map(people.map(({ id, shownName }) => [id, shownName]));
    if (before !== null) {
      const came = [...now].filter(([id]) => !before?.has(id)).map(([, name]) => words.room.cameIn(name));
      const left = [...before].filter(([id]) => !now.has(id)).map(([, name]) => words.room.wentOut(name));
      if (came.length + left.length > 0) said = [...came, ...left].join(" ");
    }
    before = now;
    return said;
  };
}

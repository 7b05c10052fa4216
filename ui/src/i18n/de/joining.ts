import type { Catalogue } from "../catalogue";

export const joining: Catalogue["joining"] = {
  title: (room) => `Auf dem Weg in ${room}`,
  opening: (room) => `${room} wird geöffnet`,
  steps: {
    reaching_host: { ahead: "Gastgeber erreichen", now: "Gastgeber wird erreicht", done: "Gastgeber erreicht" },
    agreeing_keys: { ahead: "Schlüssel vereinbaren", now: "Schlüssel werden vereinbart", done: "Schlüssel vereinbart" },
    entering: { ahead: "Raum betreten", now: "Raum wird betreten", done: "Raum betreten" },
  },
  newLink: "Neuen Link verwenden",
  stepDone: "erledigt",
  stepNow: "läuft",
};

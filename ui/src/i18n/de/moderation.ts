// Who is in charge: roles, the door, and what hosts do, in German.
import type { Catalogue } from "../catalogue";

export const moderation: Catalogue["moderation"] = {
  coHost: "Mitgastgeber",
  waiting: "Wartet",
  letIn: "Hereinlassen",
  notNow: "Jetzt nicht",
  asks: (name) => `${name} möchte hereinkommen.`,
  optionsFor: (name) => `Optionen für ${name}`,
  mute: "Stummschalten",
  allowSound: "Wieder sprechen lassen",
  stopVideo: "Video anhalten",
  allowVideo: "Video wieder erlauben",
  makeCoHost: "Zum Mitgastgeber machen",
  makeMember: "Nicht mehr Mitgastgeber",
  remove: "Aus dem Raum entfernen",
  removed: "Entfernt",
  letBack: "Wieder hereinlassen",
  lock: "Raum abschließen",
  unlock: "Raum aufschließen",
  locked: "Abgeschlossen: Niemand Neues kommt herein",
  lobby: "Neue warten, bis du sie hereinlässt",
  mutedByHost: "Vom Gastgeber stummgeschaltet",
  waitTitle: (room) => `Warten auf Einlass: ${room}`,
  waitHint: (name) =>
    `${name ?? "Ein Gastgeber"} lässt dich herein. Ton und Bild bleiben auf diesem Computer, bis du drin bist.`,
  hostLeavesOthers: "Du bist hier Gastgeber. Die anderen bleiben, wenn du gehst, und du bist wieder Gastgeber, wenn du zurückkommst.",
};

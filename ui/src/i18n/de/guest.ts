import type { Catalogue } from "../catalogue";

export const guest: Catalogue["guest"] = {
  roomLabel: "Name des Raums",
  roomHint: "Der Gastgeber sieht ihn in Snug, über den Bildern aller.",
  roomMissing: "Gib den Namen des Raums ein, den man dir genannt hat.",
  whichRoom: "Einem Raum beitreten",
  whichRoomHint: "Nichts zu installieren: Dieser Browser genügt.",
  joinHint: "Sag, wie du heißt, und komm herein.",
  join: "Beitreten",
  joining: "Du kommst herein",
  otherRoom: "Anderer Raum",
  devices: "Geräte und Sprache",
  done: "Fertig",
  encryption: "Verschlüsselt bis zum Gastgeber",
  encryptionMeans: (host) =>
    `Diese Seite kommt von ${host}. Ton und Bild gehen verschlüsselt an diesen Computer, der sie weitergibt und sehen könnte.`,
  cannotCheckKey: "Ein Browser kann den Schlüssel des Gastgebers nicht selbst prüfen. Mit Snug kann das eine Einladung.",
  inBrowser: "Im Browser",
  leaveHint: "Die anderen bleiben. Über diese Seite kommst du zurück.",
};

import type { Catalogue } from "../catalogue";

export const devices: Catalogue["devices"] = {
  testPattern: "Testbild",
  testTone: "Testton",
  file: "Eine Datei...",
  favourite: (name) => `${name} (Standard)`,
  away: "Nicht angeschlossen",
  forNow: (name) => `Vorerst ${name}`,
  none: { camera: "Keine Kamera", microphone: "Kein Mikrofon", speaker: "Kein Lautsprecher" },
  looking: { camera: "Suche nach Kameras", microphone: "Suche nach Mikrofonen", speaker: "Suche nach Lautsprechern" },
  preview: "Dein Bild",
  cameraIsOff: "Deine Kamera ist aus.",
  cameraStarts: "Die Kamera startet.",
};

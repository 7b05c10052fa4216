import type { Catalogue } from "../catalogue";

export const settings: Catalogue["settings"] = {
  title: "Einstellungen",
  pages: { devices: "Geräte", appearance: "Aussehen", language: "Sprache", about: "Über Snug" },
  mirror: "Mein Bild spiegeln",
  mirrorHint: "Die anderen sehen dich immer richtig herum.",
  listenHint: "Hör mit Kopfhörern, wie dich die anderen hören.",
  theme: "Farben",
  themes: { system: "Wie das System", light: "Hell", dark: "Dunkel" },
  language: "Sprache",
  asTheComputer: "Wie der Computer",
  graphics: "Grafikprozessor",
  graphicsHint: "Gilt ab dem nächsten Start.",
  graphicsChoices: { auto: "Automatisch", off: "Aus", on: "An" },
  graphicsExplained: {
    auto: "Snug benutzt ihn, wo es einen findet.",
    off: "Für ein Bild, das flackert oder schwarz bleibt.",
    on: "Auch wo Snug von sich aus keinen findet.",
  },
  product: "Private Videoräume in deinem eigenen Netzwerk.",
  version: "Version",
  licence: "Lizenz",
  licenceName: "MIT",
  licenceHint: "Frei zu benutzen, zu teilen und zu ändern.",
  encryption: "Was „Verschlüsselt bis zum Gastgeber“ bedeutet",
  encryptionBody: [
    "Ton und Bild gehen verschlüsselt zwischen jeder Person und dem Computer des Gastgebers. Sonst kann sie im Netzwerk niemand sehen oder hören.",
    "Der Computer des Gastgebers gibt sie an die anderen weiter und könnte sie dabei sehen und hören. Tritt nur Räumen von Leuten bei, denen du vertraust.",
    "Ein Link aus dem Raum trägt den Schlüssel des Gastgebers: Snug merkt sofort, wenn ein anderer Computer antwortet. Ohne Link merkt sich Snug den ersten Schlüssel und sagt dir, wenn er sich ändert.",
  ],
};

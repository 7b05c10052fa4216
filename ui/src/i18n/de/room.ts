import type { Catalogue } from "../catalogue";

export const room: Catalogue["room"] = {
  guest: "Gast",
  youAfterName: "(du)",
  host: "Gastgeber",
  people: "Leute",
  inTheRoom: "Im Raum",
  stage: "Leute im Raum",

  encrypted: "Verschlüsselt bis zum Gastgeber",
  encryptedMeans:
    "Ton und Bild gehen verschlüsselt an den Computer des Gastgebers, der sie weitergibt und sehen könnte.",
  encryptedMeansHere:
    "Du bist der Gastgeber: Ton und Bild gehen verschlüsselt zwischen diesem Computer und jedem Gast hin und her.",
  keyMatched: "Geprüft: Ein Link nannte den Schlüssel des Gastgebers, oder seine Wörter wurden verglichen.",
  keyRemembered: "Nicht geprüft: Noch hat niemand den Schlüssel des Gastgebers verglichen.",
  hostWords: "Der Schlüssel des Gastgebers in Wörtern",
  hostWordsHere: "Auch Gäste sehen diese Wörter. Stimmen ihre überein, ist niemand dazwischen.",
  hostWordsCompare: "Lass dir vom Gastgeber seine acht Wörter vorlesen, am Telefon oder von Angesicht. Stimmen alle überein, ist niemand dazwischen.",
  hostWordsVerified: "Der Gastgeber sieht dieselben Wörter. Solange sie übereinstimmen, ist niemand dazwischen.",
  hostWordsInBrowser: "Diese Wörter kommen von demselben Computer wie diese Seite. Erst der Bildschirm des Gastgebers beweist sie.",
  wordsMatch: "Sie stimmen überein",
  timeHere: "Zeit im Raum",

  leave: "Verlassen",
  invite: "Einladen",
  devices: "Geräte und Einstellungen",
  offUntilBack: "Aus, bis dein Netzwerk zurück ist",

  speaking: "Spricht",
  cameraIsOff: "Kamera aus",
  reconnecting: "Verbindet neu",
  pictureHeldBack: "Bild aus: Das Netzwerk ist dafür zu langsam",
  cameIn: (name) => `${name} ist hereingekommen.`,
  wentOut: (name) => `${name} ist gegangen.`,

  page: (number, of) => `Seite ${number} von ${of}`,
  pages: "Seiten mit Leuten",

  showAll: "Alle gleich groß",
  showSpeaker: "Wer spricht, groß",
  pin: (name) => `${name} anheften`,
  pinShort: "Anheften",
  unpinShort: "Lösen",

  connectingMedia: "Ton und Bild werden verbunden",
  networkDropped: "Dein Netzwerk ist weg. Dein Platz bleibt frei.",
  captureStopped: "Dein Netzwerk ist weg. Kamera und Mikrofon sind aus, bis es zurück ist.",

  firstHere: "Du bist als Erstes da.",
  firstHereHint: "Schick jemandem den Link, und die Person kann hereinkommen.",
  onlyOneHere: "Gerade ist sonst niemand hier.",
  copyLink: "Link kopieren",
  copied: "Kopiert",

  invitePeople: "Leute einladen",
  inviteHint: "Wer den Link hat, kann hereinkommen, solange der Raum offen ist.",
  link: "Link",
  copy: "Kopieren",
  typeIt: "Zum Eintippen in Snug",
  copyTyped: "Text zum Eintippen kopieren",
  forBrowsers: "Ohne Snug, im Browser",
  copyForBrowsers: "Link für Browser kopieren",
  otherLinks: "Falls der erste nicht antwortet",
  copyOther: "Diesen Link kopieren",
  qrLabel: "Link zu diesem Raum als QR-Code",
  qrHint: "Mit dem Handy scannen und beitreten",
  noLink: "Für diesen Raum gibt es noch keinen Link.",

  hostLeaves: "Du bist der Gastgeber",
  hostLeavesHint: "Wenn du gehst, endet der Raum für alle.",
  endForAll: "Für alle beenden",
  endForAllAndClose: "Für alle beenden und schließen",
  leaveRoom: (name) => `${name} verlassen?`,
  guestLeavesHint: "Die anderen bleiben. Über Start kommst du zurück.",
  aloneLeavesHint: "Sonst ist niemand hier. Der Raum endet, wenn du gehst.",
  leaveAndClose: "Verlassen und schließen",
  stay: "Bleiben",

  shortcuts: "Tastenkürzel",
  shortcutList: [
    ["M", "Mikrofon an oder aus"],
    ["Space", "Gedrückt halten, um trotz Stummschaltung zu sprechen"],
    ["V", "Kamera an oder aus"],
    ["H", "Hand heben oder senken"],
    ["C", "Chat"],
    ["P", "Leute"],
    ["L", "Wer spricht groß, oder alle gleich"],
    ["?", "Diese Liste"],
    ["Esc", "Schließen, was offen ist"],
  ],

  change: "Ändern",
  dismiss: "Ausblenden",
  news: {
    replaced: (device, instead, isMuted) =>
      `${device} wurde abgezogen. Jetzt läuft ${instead}${isMuted ? ", weiterhin stumm" : ""}.`,
  },
};

import type { Catalogue } from "../catalogue";
import { pluralsOf } from "../plural";

const counted = pluralsOf("de");

export const health: Catalogue["health"] = {
  title: "Anrufqualität",
  measuring: "Wird gemessen.",
  summary: (weak) =>
    weak === 0
      ? "Alle Verbindungen sind gut."
      : counted(weak, { one: `${weak} Verbindung ist schwach.`, other: `${weak} Verbindungen sind schwach.` }),
  good: "Gut",
  weak: "Schwach",
  unknown: "Unbekannt",
  mine: {
    reconnecting: "Dein Netzwerk ist weg. Dein Platz bleibt frei.",
    sending: (oneIn) =>
      `Dein Netzwerk verliert 1 von ${oneIn} Paketen auf dem Weg zum Gastgeber. Die anderen sehen und hören dich darum schlechter.`,
    receiving: (oneIn) =>
      `Dein Netzwerk verliert 1 von ${oneIn} Paketen auf dem Weg vom Gastgeber. Du siehst und hörst die anderen darum schlechter.`,
    heldBack: "Dein Netzwerk trägt gerade nur den Ton, darum wird dein Bild nicht gesendet.",
    slow: (ms) => `Der Weg zum Gastgeber und zurück dauert ${ms} ms. Man fällt sich darum leicht ins Wort.`,
  },
  others: {
    reconnecting: (name) => `${name} ist gerade nicht zu hören. Der Platz bleibt frei.`,
    theirs: (name, oneIn) => `Das Netzwerk von ${name} verliert 1 von ${oneIn} Paketen.`,
    between: (name, oneIn) =>
      `Zwischen ${name} und dir geht 1 von ${oneIn} Paketen verloren. Zu zweit lässt sich nicht sagen, auf welcher Seite.`,
    heldBack: (name) => `Dein Netzwerk hat gerade keinen Platz für das Bild von ${name}. Der Ton geht vor.`,
  },
  roundTrip: "Hin und zurück",
  loss: "Verlust",
  jitter: "Schwankung",
  rate: "Rate",
  picture: "Bild",
  frames: "Bilder",
  layer: "Stufe",
  codec: "Codec",
  mbps: (value) => `${value} Mbit/s`,
  ms: (value) => `${value} ms`,
  percent: (value) => `${value} %`,
  perSecond: (value) => `${value} /s`,
  layerOf: (layer) => `${layer} von 3`,
};

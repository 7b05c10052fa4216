import type { Catalogue } from "../catalogue";
import { pluralsOf } from "../plural";

const counted = pluralsOf("fr");

export const health: Catalogue["health"] = {
  title: "Qualité de l’appel",
  measuring: "Mesure en cours.",
  summary: (weak) =>
    weak === 0
      ? "Toutes les connexions sont bonnes."
      : counted(weak, { one: `${weak} connexion est faible.`, other: `${weak} connexions sont faibles.` }),
  good: "Bonne",
  weak: "Faible",
  unknown: "Inconnu",
  mine: {
    reconnecting: "Ton réseau a lâché. Ta place est gardée.",
    sending: (oneIn) =>
      `Ton réseau perd 1 paquet sur ${oneIn} en allant vers l’hôte : les autres te voient et t’entendent moins bien.`,
    receiving: (oneIn) =>
      `Ton réseau perd 1 paquet sur ${oneIn} en venant de l’hôte : tu vois et entends moins bien les autres.`,
    heldBack: "Ton réseau ne porte que le son pour l’instant : ton image n’est pas envoyée.",
    slow: (ms) => `L’aller-retour jusqu’à l’hôte prend ${ms} ms : on risque de se couper la parole.`,
  },
  others: {
    reconnecting: (name) => `On n’entend pas ${name} pour l’instant. Sa place est gardée.`,
    theirs: (name, oneIn) => `Le réseau de ${name} perd 1 paquet sur ${oneIn}.`,
    between: (name, oneIn) =>
      `Entre ${name} et toi, 1 paquet sur ${oneIn} se perd. À deux, impossible de dire de quel côté.`,
    heldBack: (name) => `Ton réseau n’a pas la place pour l’image de ${name}. Le son passe d’abord.`,
  },
  roundTrip: "Aller-retour",
  loss: "Perte",
  jitter: "Gigue",
  rate: "Débit",
  picture: "Image",
  frames: "Images",
  layer: "Couche",
  codec: "Codec",
  mbps: (value) => `${value} Mb/s`,
  ms: (value) => `${value} ms`,
  percent: (value) => `${value} %`,
  perSecond: (value) => `${value} /s`,
  layerOf: (layer) => `${layer} sur 3`,
};

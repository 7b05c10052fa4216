import type { Catalogue } from "../catalogue";

export const guest: Catalogue["guest"] = {
  roomLabel: "Nom du salon",
  roomHint: "L’hôte le voit dans Snug, au-dessus des images de tous.",
  roomMissing: "Écris le nom du salon qu’on t’a donné.",
  whichRoom: "Rejoindre un salon",
  whichRoomHint: "Rien à installer : ce navigateur suffit.",
  joinHint: "Dis ton nom, et entre.",
  join: "Rejoindre",
  joining: "Tu entres",
  otherRoom: "Un autre salon",
  devices: "Appareils et langue",
  done: "Terminé",
  encryption: "Chiffré jusqu’à l’hôte",
  encryptionMeans: (host) =>
    `Cette page vient de ${host}. Son et image vont chiffrés jusqu’à cet ordinateur, qui les transmet et pourrait les voir.`,
  cannotCheckKey: "Un navigateur ne peut pas vérifier la clé de l’hôte. Avec Snug, une invitation le peut.",
  inBrowser: "Dans un navigateur",
  leaveHint: "Les autres restent. Tu peux revenir par cette page.",
};

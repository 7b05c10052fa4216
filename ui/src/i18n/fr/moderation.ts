// Who is in charge: roles, the door, and what hosts do, in French.
import type { Catalogue } from "../catalogue";

export const moderation: Catalogue["moderation"] = {
  coHost: "Co-hôte",
  waiting: "En attente",
  letIn: "Laisser entrer",
  notNow: "Pas maintenant",
  asks: (name) => `${name} demande à entrer.`,
  optionsFor: (name) => `Options pour ${name}`,
  mute: "Couper le micro",
  allowSound: "Rendre la parole",
  stopVideo: "Arrêter la vidéo",
  allowVideo: "Autoriser à nouveau la vidéo",
  makeCoHost: "Nommer co-hôte",
  makeMember: "Retirer le rôle de co-hôte",
  remove: "Faire sortir du salon",
  removed: "Sortis par un hôte",
  letBack: "Laisser revenir",
  lock: "Verrouiller le salon",
  unlock: "Déverrouiller le salon",
  locked: "Verrouillé : plus personne n’entre",
  lobby: "Les nouveaux attendent que tu les laisses entrer",
  mutedByHost: "Micro coupé par un hôte",
  waitTitle: (room) => `En attente d’entrer : ${room}`,
  waitHint: (name) =>
    `${name ?? "Un hôte"} te laissera entrer. Le son et l’image restent sur cet ordinateur jusque-là.`,
  hostLeavesOthers: "Tu es l’hôte de ce salon. Les autres restent si tu pars, et tu seras de nouveau l’hôte à ton retour.",
};

import type { Catalogue } from "../catalogue";
import { pluralsOf } from "../plural";

const counted = pluralsOf("fr");

export const home: Catalogue["home"] = {
  yourself: "Toi",
  yourName: "Ton nom",
  namePlaceholder: "Comment les autres t’appellent",
  nameMissing: "Dis d’abord ton nom, pour que les autres sachent qui entre.",
  nameTooLong: "Ce nom est trop long. Choisis-en un de 64 lettres au plus.",
  nameUnusable: "Ce nom contient des signes que personne ne peut voir. Écris-le à nouveau.",
  roomsLabel: "Salons",
  nearby: "Sur ce réseau",
  lookAgain: "Chercher encore",
  looking: "Recherche en cours",
  hostAndPeople: (host, people) =>
    `${host} · ${counted(people, { one: `${people} personne`, other: `${people} personnes` })}`,
  locked: "fermé à clé",
  verified: "vérifié",
  notVerified: "non vérifié",
  rooms: "Salons que tu as rejoints",
  forget: (room) => `Retirer ${room} de cette liste`,
  forgetShort: "Retirer",
  noRooms: "Pas encore de salon",
  noRoomsNearbyHint: "Ouvres-en un : tout le monde sur ce réseau le voit ici et peut entrer.",
  noRoomsHint: "Ouvres-en un et envoie son lien, ou entre avec un lien qu’on t’a donné.",
  hostRoom: "Ouvrir un salon",
  roomName: "Nom du salon",
  roomOf: (name) => (/^[aeiouhyàâäéèêëîïôöûü]/iu.test(name) ? `Salon d’${name}` : `Salon de ${name}`),
  ourRoom: "Notre salon",
  host: "Ouvrir",
  roomTooLong: "Ce nom est trop long pour un salon. Choisis-en un de 64 lettres au plus.",
  roomSlash: "Le nom d’un salon ne peut pas contenir « / ». Choisis un autre nom.",
  roomDots: "Le nom d’un salon a besoin d’autre chose que des points. Choisis un autre nom.",
  joinRoom: "Rejoindre par un nom ou un lien",
  joinShort: "Rejoindre par un lien",
  joinPlaceholder: "Salon, adresse ou lien",
  join: "Rejoindre",
  linkEmpty: "Écris ici hôte/salon, ou colle le lien qu’on t’a donné.",
  linkTooLong: "C’est trop long pour un lien. Copie-le à nouveau.",
  linkNotEncrypted:
    "Snug ne rejoint que des salons chiffrés. Demande à l’hôte un lien qui commence par snug: ou https:.",
  linkUnknownScheme:
    "Ce lien est fait pour un autre programme. Demande à l’hôte un lien qui commence par snug: ou https:.",
  linkNoRoom: "Ce n’est pas un salon que tu as déjà rejoint. Écris hôte/salon, ou colle le lien entier.",
};

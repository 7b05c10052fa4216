import type { Catalogue } from "../catalogue";
import { pluralsOf } from "../plural";

const counted = pluralsOf("de");

export const home: Catalogue["home"] = {
  yourself: "Du",
  yourName: "Dein Name",
  namePlaceholder: "Wie die anderen dich nennen",
  nameMissing: "Sag zuerst, wie du heißt, damit die anderen wissen, wer kommt.",
  nameTooLong: "Dieser Name ist zu lang. Nimm einen mit höchstens 64 Buchstaben.",
  nameUnusable: "Dieser Name enthält Zeichen, die niemand sehen kann. Gib ihn noch einmal ein.",
  roomsLabel: "Räume",
  nearby: "In diesem Netzwerk",
  lookAgain: "Nochmal suchen",
  looking: "Suche läuft",
  hostAndPeople: (host, people) =>
    `${host} · ${counted(people, { one: `${people} Person`, other: `${people} Personen` })}`,
  locked: "abgeschlossen",
  verified: "geprüft",
  notVerified: "nicht geprüft",
  rooms: "Räume, in denen du warst",
  forget: (room) => `${room} aus dieser Liste entfernen`,
  forgetShort: "Entfernen",
  noRooms: "Noch keine Räume",
  noRoomsNearbyHint: "Öffne einen: Alle in diesem Netzwerk sehen ihn hier und können hereinkommen.",
  noRoomsHint: "Öffne einen und verschick seinen Link, oder tritt mit einem Link bei, den du bekommen hast.",
  hostRoom: "Raum öffnen",
  roomName: "Name des Raums",
  roomOf: (name) => (/[sßxzʼ']$/iu.test(name) ? `${name}’ Raum` : `${name}s Raum`),
  ourRoom: "Unser Raum",
  host: "Öffnen",
  roomTooLong: "Dieser Name ist zu lang für einen Raum. Nimm einen mit höchstens 64 Buchstaben.",
  roomSlash: 'Ein Raumname darf kein "/" enthalten. Nimm einen anderen Namen.',
  roomDots: "Ein Raumname braucht mehr als Punkte. Nimm einen anderen Namen.",
  joinRoom: "Mit Name oder Link beitreten",
  joinShort: "Mit Link beitreten",
  joinPlaceholder: "Raum, Adresse oder Link",
  join: "Beitreten",
  linkEmpty: "Gib hier host/raum ein, oder füg den Link ein, den du bekommen hast.",
  linkTooLong: "Das ist zu lang für einen Link. Kopier ihn noch einmal.",
  linkNotEncrypted:
    "Snug betritt nur verschlüsselte Räume. Frag den Gastgeber nach einem Link, der mit snug: oder https: beginnt.",
  linkUnknownScheme:
    "Dieser Link gehört zu einem anderen Programm. Frag den Gastgeber nach einem, der mit snug: oder https: beginnt.",
  linkNoRoom: "Das ist kein Raum, in dem du schon warst. Schreib host/raum, oder füg den ganzen Link ein.",
};

import type { Catalogue } from "../catalogue";
import { pluralsOf } from "../plural";

const counted = pluralsOf("es");

export const home: Catalogue["home"] = {
  yourself: "Tú",
  yourName: "Tu nombre",
  namePlaceholder: "Cómo te llaman los demás",
  nameMissing: "Di primero tu nombre, para que los demás sepan quién entra.",
  nameTooLong: "Este nombre es demasiado largo. Elige uno de 64 letras como mucho.",
  nameUnusable: "Este nombre tiene signos que nadie puede ver. Escríbelo otra vez.",
  roomsLabel: "Salas",
  nearby: "En esta red",
  lookAgain: "Buscar otra vez",
  looking: "Buscando",
  hostAndPeople: (host, people) =>
    `${host} · ${counted(people, { one: `${people} persona`, other: `${people} personas` })}`,
  locked: "con llave",
  verified: "verificada",
  notVerified: "sin verificar",
  rooms: "Salas en las que estuviste",
  forget: (room) => `Quitar ${room} de esta lista`,
  forgetShort: "Quitar",
  noRooms: "Aún no hay salas",
  noRoomsNearbyHint: "Abre una: todos en esta red la ven aquí y pueden entrar.",
  noRoomsHint: "Abre una y envía su enlace, o entra con un enlace que te dieron.",
  hostRoom: "Abrir una sala",
  roomName: "Nombre de la sala",
  roomOf: (name) => `Sala de ${name}`,
  ourRoom: "Nuestra sala",
  host: "Abrir",
  roomTooLong: "Este nombre es demasiado largo para una sala. Elige uno de 64 letras como mucho.",
  roomSlash: "El nombre de una sala no puede llevar «/». Elige otro nombre.",
  roomDots: "El nombre de una sala necesita algo más que puntos. Elige otro nombre.",
  joinRoom: "Entrar con un nombre o un enlace",
  joinShort: "Entrar con un enlace",
  joinPlaceholder: "Sala, dirección o enlace",
  join: "Entrar",
  linkEmpty: "Escribe aquí anfitrión/sala, o pega el enlace que te dieron.",
  linkTooLong: "Es demasiado largo para ser un enlace. Cópialo otra vez.",
  linkNotEncrypted:
    "Snug solo entra en salas cifradas. Pide al anfitrión un enlace que empiece por snug: o https:.",
  linkUnknownScheme:
    "Este enlace es de otro programa. Pide al anfitrión uno que empiece por snug: o https:.",
  linkNoRoom: "No es una sala en la que hayas estado. Escribe anfitrión/sala, o pega el enlace entero.",
};

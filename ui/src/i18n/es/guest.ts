import type { Catalogue } from "../catalogue";

export const guest: Catalogue["guest"] = {
  roomLabel: "Nombre de la sala",
  roomHint: "El anfitrión lo ve en Snug, encima de las imágenes de todos.",
  roomMissing: "Escribe el nombre de la sala que te dieron.",
  whichRoom: "Entrar en una sala",
  whichRoomHint: "Nada que instalar: basta con este navegador.",
  joinHint: "Di tu nombre y entra.",
  join: "Entrar",
  joining: "Entrando",
  otherRoom: "Otra sala",
  devices: "Dispositivos e idioma",
  done: "Listo",
  encryption: "Cifrado hasta el anfitrión",
  encryptionMeans: (host) =>
    `Esta página viene de ${host}. El sonido y la imagen van cifrados hasta ese ordenador, que los reparte y podría verlos.`,
  cannotCheckKey: "Un navegador no puede comprobar la clave del anfitrión. Con Snug, una invitación sí.",
  inBrowser: "En un navegador",
  leaveHint: "Los demás se quedan. Puedes volver por esta página.",
};

// Who is in charge: roles, the door, and what hosts do, in Spanish.
import type { Catalogue } from "../catalogue";

export const moderation: Catalogue["moderation"] = {
  coHost: "Coanfitrión",
  waiting: "En espera",
  letIn: "Dejar entrar",
  notNow: "Ahora no",
  asks: (name) => `${name} pide entrar.`,
  optionsFor: (name) => `Opciones para ${name}`,
  mute: "Silenciar",
  allowSound: "Dejar hablar de nuevo",
  stopVideo: "Detener el video",
  allowVideo: "Permitir el video de nuevo",
  makeCoHost: "Nombrar coanfitrión",
  makeMember: "Quitar como coanfitrión",
  remove: "Sacar de la sala",
  removed: "Fuera de la sala",
  letBack: "Dejar volver",
  lock: "Cerrar con llave",
  unlock: "Abrir la sala",
  locked: "Cerrada con llave: nadie nuevo entra",
  lobby: "Quien llega espera a que lo dejes entrar",
  mutedByHost: "En silencio por un anfitrión",
  waitTitle: (room) => `A la espera de entrar: ${room}`,
  waitHint: (name) =>
    `${name ?? "Un anfitrión"} te dejará entrar. Tu sonido e imagen se quedan en este equipo hasta entonces.`,
  hostLeavesOthers: "Eres el anfitrión de esta sala. Los demás se quedan si te vas, y lo serás de nuevo al volver.",
};

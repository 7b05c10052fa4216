import type { Catalogue } from "../catalogue";

export const chat: Catalogue["chat"] = {
  chat: "Chat",
  unread: (count) => (count === 1 ? "1 mensaje nuevo" : `${count} mensajes nuevos`),
  messages: "Mensajes",
  stays: "Los mensajes se quedan en esta sala y se van con ella.",
  message: "Mensaje a todos",
  placeholder: "Mensaje a todos",
  send: "Enviar",
  toLatest: "Mensajes nuevos",
  said: (name, text) => `${name}: ${text}`,
  offUntilBack: "Podrás enviar mensajes cuando vuelva tu red.",
  refused: {
    empty: "No hay nada en él que se pueda mostrar.",
    too_long: "Es demasiado largo para un mensaje. Divídelo en dos.",
    too_fast: "Fueron demasiados mensajes a la vez. Espera un momento y envíalo otra vez.",
  },

  raiseHand: "Levantar la mano",
  lowerHand: "Bajar la mano",
  hand: "Mano",
  handUp: "Mano levantada",
  handPlace: (place) => `Mano levantada, puesto ${place} en la fila`,
  raisedHand: (name) => `${name} levanta la mano.`,

  react: "Reaccionar",
  reactions: "Reacciones",
  reaction: { yes: "Pulgar arriba", no: "Pulgar abajo", heart: "Corazón", laugh: "Risa", cheer: "Celebración" },
};

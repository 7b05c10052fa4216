import type { Catalogue } from "../catalogue";

export const chat: Catalogue["chat"] = {
  chat: "Chat",
  unread: (count) => (count === 1 ? "1 neue Nachricht" : `${count} neue Nachrichten`),
  messages: "Nachrichten",
  stays: "Nachrichten bleiben in diesem Raum und gehen mit ihm.",
  message: "Nachricht an alle",
  placeholder: "Nachricht an alle",
  send: "Senden",
  toLatest: "Neue Nachrichten",
  said: (name, text) => `${name}: ${text}`,
  offUntilBack: "Nachrichten gehen wieder, sobald dein Netz zurück ist.",
  refused: {
    empty: "Darin ist nichts, was sich zeigen lässt.",
    too_long: "Das ist zu lang für eine Nachricht. Teile sie in zwei.",
    too_fast: "Das waren zu viele Nachrichten auf einmal. Warte einen Moment und sende sie noch einmal.",
  },

  raiseHand: "Hand heben",
  lowerHand: "Hand senken",
  hand: "Hand",
  handUp: "Hand oben",
  handPlace: (place) => `Hand oben, Platz ${place} in der Reihe`,
  raisedHand: (name) => `${name} hebt die Hand.`,

  react: "Reagieren",
  reactions: "Reaktionen",
  reaction: { yes: "Daumen hoch", no: "Daumen runter", heart: "Herz", laugh: "Lachen", cheer: "Jubel" },
};

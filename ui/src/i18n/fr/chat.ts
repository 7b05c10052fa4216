import type { Catalogue } from "../catalogue";

export const chat: Catalogue["chat"] = {
  chat: "Discussion",
  unread: (count) => (count === 1 ? "1 nouveau message" : `${count} nouveaux messages`),
  messages: "Messages",
  stays: "Les messages restent dans cette salle et partent avec elle.",
  message: "Message à tous",
  placeholder: "Message à tous",
  send: "Envoyer",
  toLatest: "Nouveaux messages",
  said: (name, text) => `${name} : ${text}`,
  offUntilBack: "Les messages repartent dès que ton réseau revient.",
  refused: {
    empty: "Il n’y a rien à montrer dedans.",
    too_long: "C’est trop long pour un message. Coupe-le en deux.",
    too_fast: "Trop de messages à la fois. Attends un instant, puis renvoie-le.",
  },

  raiseHand: "Lever la main",
  lowerHand: "Baisser la main",
  hand: "Main",
  handUp: "Main levée",
  handPlace: (place) => `Main levée, place ${place} dans la file`,
  raisedHand: (name) => `${name} lève la main.`,

  react: "Réagir",
  reactions: "Réactions",
  reaction: { yes: "Pouce levé", no: "Pouce baissé", heart: "Cœur", laugh: "Rire", cheer: "Bravo" },
};

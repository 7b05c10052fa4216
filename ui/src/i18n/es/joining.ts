import type { Catalogue } from "../catalogue";

export const joining: Catalogue["joining"] = {
  title: (room) => `Entrando en ${room}`,
  opening: (room) => `Abriendo ${room}`,
  steps: {
    reaching_host: { ahead: "Llegar al anfitrión", now: "Llegando al anfitrión", done: "Anfitrión alcanzado" },
    agreeing_keys: { ahead: "Acordar claves", now: "Acordando claves", done: "Claves acordadas" },
    entering: { ahead: "Entrar en la sala", now: "Entrando en la sala", done: "Dentro de la sala" },
  },
  newLink: "Usar un enlace nuevo",
  stepDone: "hecho",
  stepNow: "en curso",
};

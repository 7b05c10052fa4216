import type { Catalogue } from "../catalogue";

export const joining: Catalogue["joining"] = {
  title: (room) => `En route vers ${room}`,
  opening: (room) => `Ouverture de ${room}`,
  steps: {
    reaching_host: { ahead: "Joindre l’hôte", now: "Appel de l’hôte", done: "Hôte joint" },
    agreeing_keys: { ahead: "Convenir des clés", now: "Échange des clés", done: "Clés convenues" },
    entering: { ahead: "Entrer dans le salon", now: "Entrée dans le salon", done: "Entré dans le salon" },
  },
  newLink: "Utiliser un nouveau lien",
  stepDone: "fait",
  stepNow: "en cours",
};

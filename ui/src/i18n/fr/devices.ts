import type { Catalogue } from "../catalogue";

export const devices: Catalogue["devices"] = {
  testPattern: "Mire",
  testTone: "Son de test",
  file: "Un fichier...",
  favourite: (name) => `${name} (par défaut)`,
  away: "Non branché",
  forNow: (name) => `${name} pour l’instant`,
  none: { camera: "Pas de caméra", microphone: "Pas de micro", speaker: "Pas de haut-parleur" },
  looking: {
    camera: "Recherche de caméras",
    microphone: "Recherche de micros",
    speaker: "Recherche de haut-parleurs",
  },
  preview: "Ton image",
  cameraIsOff: "Ta caméra est éteinte.",
  cameraStarts: "La caméra démarre.",
};

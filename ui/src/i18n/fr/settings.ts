import type { Catalogue } from "../catalogue";

export const settings: Catalogue["settings"] = {
  title: "Réglages",
  pages: { devices: "Appareils", appearance: "Apparence", language: "Langue", about: "À propos" },
  mirror: "Mon image en miroir",
  mirrorHint: "Les autres te voient toujours à l’endroit.",
  listenHint: "Avec un casque, écoute comment les autres t’entendent.",
  theme: "Thème",
  themes: { system: "Comme le système", light: "Clair", dark: "Sombre" },
  language: "Langue",
  asTheComputer: "Comme l’ordinateur",
  graphics: "Processeur graphique",
  graphicsHint: "Prend effet au prochain démarrage.",
  graphicsChoices: { auto: "Automatique", off: "Non", on: "Oui" },
  graphicsExplained: {
    auto: "Snug l’utilise là où il en trouve un.",
    off: "Pour une image qui clignote ou reste noire.",
    on: "Même là où Snug n’en trouve pas de lui-même.",
  },
  product: "Des salons vidéo privés, sur ton propre réseau.",
  version: "Version",
  licence: "Licence",
  licenceName: "MIT",
  licenceHint: "Libre à utiliser, partager et modifier.",
  encryption: "Ce que « Chiffré jusqu’à l’hôte » veut dire",
  encryptionBody: [
    "Son et image vont chiffrés entre chaque personne et l’ordinateur de l’hôte. Personne d’autre sur le réseau ne peut les voir ni les entendre.",
    "L’ordinateur de l’hôte les transmet aux autres, et pourrait alors les voir et les entendre. Rejoins les salons de gens à qui tu fais confiance.",
    "Un lien fait dans le salon porte la clé de l’hôte : Snug sait aussitôt si un autre ordinateur répond. Sans lien, Snug se souvient de la première clé et te dit quand elle change.",
  ],
};

import type { Catalogue } from "../catalogue";

export const settings: Catalogue["settings"] = {
  title: "Ajustes",
  pages: { devices: "Dispositivos", appearance: "Aspecto", language: "Idioma", about: "Acerca de" },
  mirror: "Mi imagen como en un espejo",
  mirrorHint: "Los demás siempre te ven del derecho.",
  listenHint: "Con auriculares, escucha cómo te oyen los demás.",
  theme: "Tema",
  themes: { system: "Como el sistema", light: "Claro", dark: "Oscuro" },
  language: "Idioma",
  asTheComputer: "Como el ordenador",
  graphics: "Procesador gráfico",
  graphicsHint: "Se aplica la próxima vez que abras Snug.",
  graphicsChoices: { auto: "Automático", off: "No", on: "Sí" },
  graphicsExplained: {
    auto: "Snug lo usa donde encuentra uno.",
    off: "Para una imagen que parpadea o se queda en negro.",
    on: "También donde Snug no encuentra ninguno por sí mismo.",
  },
  product: "Salas de vídeo privadas en tu propia red.",
  version: "Versión",
  licence: "Licencia",
  licenceName: "MIT",
  licenceHint: "Libre para usar, compartir y cambiar.",
  encryption: "Qué significa «Cifrado hasta el anfitrión»",
  encryptionBody: [
    "El sonido y la imagen van cifrados entre cada persona y el ordenador del anfitrión. Nadie más en la red puede verlos ni oírlos.",
    "El ordenador del anfitrión los reparte a los demás y, mientras lo hace, podría verlos y oírlos. Entra en salas de gente en quien confíes.",
    "Un enlace hecho en la sala lleva la clave del anfitrión: Snug sabe al momento si responde otro ordenador. Sin enlace, Snug recuerda la primera clave y te avisa cuando cambia.",
  ],
};

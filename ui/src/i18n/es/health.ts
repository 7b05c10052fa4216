import type { Catalogue } from "../catalogue";
import { pluralsOf } from "../plural";

const counted = pluralsOf("es");

export const health: Catalogue["health"] = {
  title: "Calidad de la llamada",
  measuring: "Midiendo.",
  summary: (weak) =>
    weak === 0
      ? "Todas las conexiones van bien."
      : counted(weak, { one: `${weak} conexión va mal.`, other: `${weak} conexiones van mal.` }),
  good: "Bien",
  weak: "Mal",
  unknown: "Desconocido",
  mine: {
    reconnecting: "Tu red se ha caído. Te guardamos el sitio.",
    sending: (oneIn) =>
      `Tu red pierde 1 de cada ${oneIn} paquetes camino del anfitrión, así que los demás te ven y oyen peor.`,
    receiving: (oneIn) =>
      `Tu red pierde 1 de cada ${oneIn} paquetes que vienen del anfitrión, así que ves y oyes peor a los demás.`,
    heldBack: "Tu red solo da para el sonido ahora mismo, así que tu imagen no se envía.",
    slow: (ms) => `Ir al anfitrión y volver tarda ${ms} ms: es fácil pisarse al hablar.`,
  },
  others: {
    reconnecting: (name) => `Ahora no se oye a ${name}. Se le guarda el sitio.`,
    theirs: (name, oneIn) => `La red de ${name} pierde 1 de cada ${oneIn} paquetes.`,
    between: (name, oneIn) =>
      `Entre ${name} y tú se pierde 1 de cada ${oneIn} paquetes. Entre dos no se puede saber en qué lado.`,
    heldBack: (name) => `Tu red no tiene sitio ahora para la imagen de ${name}. Primero va el sonido.`,
  },
  roundTrip: "Ida y vuelta",
  loss: "Pérdida",
  jitter: "Variación",
  rate: "Caudal",
  picture: "Imagen",
  frames: "Imágenes",
  layer: "Capa",
  codec: "Códec",
  mbps: (value) => `${value} Mb/s`,
  ms: (value) => `${value} ms`,
  percent: (value) => `${value} %`,
  perSecond: (value) => `${value} /s`,
  layerOf: (layer) => `${layer} de 3`,
};

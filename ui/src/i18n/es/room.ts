import type { Catalogue } from "../catalogue";

export const room: Catalogue["room"] = {
  guest: "Invitado",
  youAfterName: "(tú)",
  host: "Anfitrión",
  people: "Personas",
  inTheRoom: "En la sala",
  stage: "Personas en la sala",

  encrypted: "Cifrado hasta el anfitrión",
  encryptedMeans:
    "El sonido y la imagen van cifrados hasta el ordenador del anfitrión, que los reparte y podría verlos.",
  encryptedMeansHere: "La sala es tuya: el sonido y la imagen van cifrados entre este ordenador y cada invitado.",
  keyMatched: "Verificada: un enlace traía la clave del anfitrión, o se compararon sus palabras.",
  keyRemembered: "Sin verificar: nadie ha comparado aún la clave del anfitrión.",
  hostWords: "La clave del anfitrión en palabras",
  hostWordsHere: "Los invitados también ven estas palabras. Si coinciden, no hay nadie en medio.",
  hostWordsCompare: "Pide al anfitrión que te lea sus ocho palabras, de viva voz o en persona. Si todas coinciden, no hay nadie en medio.",
  hostWordsVerified: "El anfitrión ve las mismas palabras. Mientras coincidan, no hay nadie en medio.",
  hostWordsInBrowser: "Estas palabras vienen del mismo equipo que esta página: solo la pantalla del anfitrión las prueba.",
  wordsMatch: "Coinciden",
  timeHere: "Tiempo en la sala",

  leave: "Salir",
  invite: "Invitar",
  devices: "Dispositivos y ajustes",
  offUntilBack: "Apagado hasta que vuelva tu red",

  speaking: "Habla",
  cameraIsOff: "Cámara apagada",
  reconnecting: "Reconectando",
  pictureHeldBack: "Sin imagen: la red es demasiado lenta para ella",
  cameIn: (name) => `${name} ha entrado.`,
  wentOut: (name) => `${name} ha salido.`,

  page: (number, of) => `Página ${number} de ${of}`,
  pages: "Páginas de personas",

  showAll: "Todos iguales",
  showSpeaker: "Quien habla, en grande",
  pin: (name) => `Fijar a ${name}`,
  pinShort: "Fijar",
  unpinShort: "Soltar",

  connectingMedia: "Conectando sonido e imagen",
  networkDropped: "Tu red se ha caído. Te guardamos el sitio.",
  captureStopped: "Tu red se ha caído. La cámara y el micrófono están apagados hasta que vuelva.",

  firstHere: "Nadie ha llegado antes que tú.",
  firstHereHint: "Envía el enlace a alguien y podrá entrar.",
  onlyOneHere: "Ahora mismo no hay nadie más.",
  copyLink: "Copiar enlace",
  copied: "Copiado",

  invitePeople: "Invitar a alguien",
  inviteHint: "Quien tenga el enlace puede entrar mientras la sala esté abierta.",
  link: "Enlace",
  copy: "Copiar",
  typeIt: "Para escribirlo en Snug",
  copyTyped: "Copiar lo que hay que escribir",
  forBrowsers: "Sin Snug, en un navegador",
  copyForBrowsers: "Copiar el enlace para navegadores",
  otherLinks: "Si el primero no responde",
  copyOther: "Copiar este enlace",
  qrLabel: "Enlace a esta sala como código QR",
  qrHint: "Escanea para entrar con un teléfono",
  noLink: "Aún no hay ningún enlace a esta sala.",

  hostLeaves: "La sala es tuya",
  hostLeavesHint: "Cuando salgas, terminará para todos.",
  endForAll: "Terminar para todos",
  endForAllAndClose: "Terminar para todos y cerrar",
  leaveRoom: (name) => `¿Salir de ${name}?`,
  guestLeavesHint: "Los demás se quedan. Puedes volver desde Inicio.",
  aloneLeavesHint: "No hay nadie más. La sala termina cuando sales.",
  leaveAndClose: "Salir y cerrar",
  stay: "Quedarme",

  shortcuts: "Atajos",
  shortcutList: [
    ["M", "Micrófono activado o en silencio"],
    ["Space", "Mantener para hablar en silencio"],
    ["V", "Cámara encendida o apagada"],
    ["H", "Levantar o bajar la mano"],
    ["C", "Chat"],
    ["P", "Personas"],
    ["L", "Quien habla en grande, o todos iguales"],
    ["?", "Esta lista"],
    ["Esc", "Cerrar lo que esté abierto"],
  ],

  change: "Cambiar",
  dismiss: "Ocultar",
  news: {
    replaced: (device, instead, isMuted) =>
      `Se desconectó ${device}. Ahora se usa ${instead}${isMuted ? ", todavía en silencio" : ""}.`,
  },
};

import type { Catalogue } from "../catalogue";

export const devices: Catalogue["devices"] = {
  testPattern: "Carta de ajuste",
  testTone: "Tono de prueba",
  file: "Un archivo...",
  favourite: (name) => `${name} (predeterminado)`,
  away: "No conectado",
  forNow: (name) => `${name} por ahora`,
  none: { camera: "Sin cámara", microphone: "Sin micrófono", speaker: "Sin altavoz" },
  looking: { camera: "Buscando cámaras", microphone: "Buscando micrófonos", speaker: "Buscando altavoces" },
  preview: "Tu imagen",
  cameraIsOff: "Tu cámara está apagada.",
  cameraStarts: "La cámara se está encendiendo.",
};

import type { Catalogue } from "../catalogue";
import { type Entry, say } from "../en/problems";

const general = {
  host: "el anfitrión",
  room: "la sala",
  camera: "la cámara",
  microphone: "el micrófono",
  speaker: "el altavoz",
  device: "el dispositivo",
};

/** A name stays as it is; the general term joins with the word before it. */
const of = (host: string) => (host === general.host ? "del anfitrión" : `de ${host}`);
const to = (host: string) => (host === general.host ? "al anfitrión" : `a ${host}`);
const atHost = (host: string) => (host === general.host ? "En el ordenador del anfitrión" : `En ${host}`);

const mediaKey: Entry = ({ host }) =>
  say(
    `El sonido y la imagen ${of(host)} vienen sellados con otra clave que la que anunció la sala.`,
    "Puede que haya alguien en medio. Entra desde una red en la que confíes.",
  );

const AGAIN = "Inténtalo de nuevo en un momento.";
const CHECK = "Comprueba la red e inténtalo de nuevo.";
const REOPEN = "Pide al anfitrión que la abra de nuevo.";
const ALLOW = "Permítelo en los ajustes del sistema e inténtalo de nuevo.";
const ALLOW_PAGE = "Permítelo junto a la dirección e inténtalo de nuevo. También puedes entrar sin ello.";
const FREE_CAMERA = "Ciérralo allí e inténtalo de nuevo. Puedes entrar sin ella.";
const FREE_MICROPHONE = "Ciérralo allí e inténtalo de nuevo. Puedes entrar sin él.";

export const problems: Catalogue["problems"] = {
  words: {
    unknown_host: ({ host }) =>
      say(
        `Esta red no conoce ningún ordenador con el nombre ${of(host)}.`,
        "Comprueba el nombre, o usa la dirección que muestra Snug en el ordenador del anfitrión.",
      ),
    port_refused: ({ host }) =>
      say(`${host} está ahí, pero Snug no está abierto.`, "Pide al anfitrión que abra la sala, o comprueba el enlace."),
    no_answer: ({ host }) =>
      say(
        `No hay respuesta ${of(host)}.`,
        "¿Está Snug abierto en ese ordenador? ¿Tiene el cortafuegos activado?",
      ),
    unreachable: ({ host }) =>
      say(
        `No hay camino desde este ordenador ${to(host)}.`,
        "Conéctate a la red de ese ordenador e inténtalo de nuevo.",
      ),
    wrong_key: ({ host }) =>
      say(`${host} no es el ordenador para el que se hizo este enlace.`, "Pide al anfitrión un enlace nuevo."),
    changed_key: ({ host }) =>
      say(
        "Este no es el ordenador al que entraste la última vez.",
        `Si ${host} se mudó a uno nuevo, pide su enlace y entra con él.`,
      ),
    untrusted_certificate: ({ host }) =>
      say(
        `Nadie en quien confíe este ordenador responde por ${host}.`,
        "Usa el enlace que muestra Snug en el ordenador del anfitrión. Lleva la clave.",
      ),
    media_key: mediaKey,
    not_snug: ({ host }) =>
      say(`${host} responde, pero no es una sala de Snug.`, "Comprueba la dirección del enlace."),
    removed: ({ room }) => say(`El anfitrión te sacó de ${room}.`, "Pídele que te deje entrar de nuevo."),
    room_closed: ({ room }) => say(`${room} se cerró.`, REOPEN),
    host_ended: ({ room }) => say(`El anfitrión terminó ${room}.`, REOPEN),
    not_allowed: () => say("Solo un anfitrión de la sala puede hacerlo.", "Pídeselo."),
    room_locked: ({ room }) =>
      say(`${room} está cerrada con llave.`, "Pide al anfitrión que la abra e inténtalo de nuevo."),
    lobby_full: () =>
      say("Muchas personas esperan para entrar.", "Inténtalo de nuevo en un momento."),
    turned_away: () =>
      say("El anfitrión no te dejó entrar esta vez.", "Pide entrar de nuevo."),
    barred: () =>
      say("El anfitrión te sacó de la sala.", "Pídele que te deje entrar de nuevo."),
    muted_by_host: () =>
      say("Un anfitrión te silenció.", "Activa el micrófono cuando quieras seguir."),
    hidden_by_host: () =>
      say("Un anfitrión detuvo tu video.", "Enciende la cámara cuando quieras seguir."),
    media_unreachable: ({ host }) =>
      say(
        `La sala responde, pero el sonido y la imagen no llegan ${to(host)}.`,
        "¿Tiene ese ordenador el cortafuegos activado? Snug necesita UDP allí.",
      ),
    connection_lost: ({ host }) =>
      say(`Se perdió la conexión con ${host}.`, CHECK),
    left: () => say("Saliste de la sala.", "Vuelve cuando quieras."),
    busy: () => say("Snug sigue ocupado con lo que le pediste antes.", AGAIN),
    internal: () =>
      say("Algo salió mal dentro de Snug.", "Inténtalo de nuevo. Si sigue igual, envíanos el registro."),

    refused: ({ room }) => say(`El anfitrión no te deja entrar en ${room}.`, "Pídele un enlace nuevo."),
    "failed to start room": ({ room }) => say(`No se pudo abrir ${room}.`, AGAIN),
    "join crashed": ({ host }) => say(`${atHost(host)} algo falló mientras entrabas.`, AGAIN),
    "unmatched topic": ({ host }) => say(`${host} no tiene salas de ese tipo.`, "Comprueba el enlace."),
    "too many channels joined": () =>
      say("Snug está en demasiadas salas a la vez.", "Sal de una de ellas e inténtalo de nuevo."),
    "no such room": ({ room, host }) =>
      say(
        room === general.room
          ? `${atHost(host)} no existe esa sala.`
          : `${atHost(host)} no hay ninguna sala con el nombre ${room}.`,
        "Comprueba el nombre, o pide al anfitrión que la abra.",
      ),
    room_full: ({ room }) => say(`${room} no tiene más sitio.`, "Inténtalo de nuevo cuando alguien haya salido."),
    too_many_joins: ({ host }) =>
      say(`Demasiada gente de esta red llega a la vez ${to(host)}.`, AGAIN),
    server_full: ({ host }) => say(`${host} ya tiene abiertas todas las salas que puede.`, "Inténtalo más tarde."),
    fingerprint_mismatch: mediaKey,
    bad_offer: ({ host }) =>
      say(
        `${host} no puede conectar sonido e imagen con esta versión de Snug.`,
        "Actualiza Snug en los dos ordenadores e inténtalo de nuevo.",
      ),
    media_refused: ({ host }) => say(`${host} no quiso conectar sonido e imagen.`, AGAIN),
    media_lost: ({ host }) =>
      say(`${host} ha perdido el sonido y la imagen.`, "Pide al anfitrión que reinicie Snug."),
    slow_consumer: () => say("Tu conexión no pudo seguir el ritmo de la sala.", CHECK),
    server_stopping: ({ host }) => say(`${host} está cerrando la sala.`, REOPEN),

    port_in_use: () =>
      say("Otro programa usa el puerto de las salas de Snug.", "Ciérralo allí e inténtalo de nuevo."),
    identity_file: () =>
      say("Snug no puede leer su propia clave.", "Comprueba que puedes escribir en la carpeta de Snug."),
    identity_damaged: () =>
      say("La clave de Snug está dañada.", "Aparta el archivo y Snug hará una nueva."),
    host_failed: () => say("No se pudo abrir la sala.", AGAIN),
    in_a_room: () => say("Ya estás en una sala.", "Sal primero de ella e inténtalo de nuevo."),
    ending: () => say("Snug se está cerrando.", "Ábrelo de nuevo."),

    camera_absent: () => say("Este ordenador no tiene cámara.", "Puedes entrar sin ella."),
    camera_busy: () => say("Otro programa está usando la cámara.", FREE_CAMERA),
    camera_unplugged: ({ device }) => say(`Se desconectó ${device}.`, "Conéctala de nuevo, o elige otra cámara."),
    camera_denied: () => say("Este ordenador no deja que Snug use la cámara.", ALLOW),
    camera_format: ({ device }) => say(`${device} no da una imagen que Snug entienda.`, "Elige otra cámara."),
    camera_failed: ({ device }) => say(`${device} dejó de funcionar.`, "Inténtalo de nuevo, o elige otra cámara."),
    microphone_absent: () => say("Este ordenador no tiene micrófono.", "Puedes entrar sin él."),
    microphone_busy: () => say("Otro programa está usando el micrófono.", FREE_MICROPHONE),
    microphone_unplugged: ({ device }) =>
      say(`Se desconectó ${device}.`, "Conéctalo de nuevo, o elige otro micrófono."),
    microphone_denied: () => say("Este ordenador no deja que Snug use el micrófono.", ALLOW),
    microphone_format: ({ device }) => say(`${device} no da un sonido que Snug entienda.`, "Elige otro micrófono."),
    microphone_failed: ({ device }) =>
      say(`${device} dejó de funcionar.`, "Inténtalo de nuevo, o elige otro micrófono."),
    speaker_absent: () =>
      say("Este ordenador no tiene altavoz.", "Conecta unos auriculares para oír a los demás."),
    speaker_busy: () => say("Otro programa está usando el altavoz.", "Ciérralo allí e inténtalo de nuevo."),
    speaker_unplugged: ({ device }) => say(`Se desconectó ${device}.`, "Conéctalo de nuevo, o elige otro altavoz."),
    speaker_denied: () => say("Este ordenador no deja que Snug use el altavoz.", ALLOW),
    speaker_format: ({ device }) =>
      say(`${device} no acepta ningún sonido que Snug sepa hacer.`, "Elige otro altavoz."),
    speaker_failed: ({ device }) => say(`${device} dejó de funcionar.`, "Inténtalo de nuevo, o elige otro altavoz."),

    camera_blocked: () => say("El navegador no deja que esta página use la cámara.", ALLOW_PAGE),
    microphone_blocked: () => say("El navegador no deja que esta página use el micrófono.", ALLOW_PAGE),
    not_in_browser: () => say("Un navegador no puede hacer esto.", "Snug sí puede."),
    put_out: ({ room }) =>
      say(
        `Ya no estás en ${room}.`,
        "El anfitrión la cerró o te sacó, o tardaste demasiado en volver. Entra de nuevo, o pregúntale.",
      ),

    camera_away: ({ device }) => say(`No está conectado: ${device}.`, "Conecta la cámara, o elige otra."),
    microphone_away: ({ device }) => say(`No está conectado: ${device}.`, "Conecta el micrófono, o elige otro."),
    speaker_away: ({ device }) => say(`No está conectado: ${device}.`, "Conecta el altavoz, o elige otro."),

    camera_file_unusable: ({ device }) =>
      say(`${device} no es un vídeo que Snug pueda reproducir.`, "Elige un archivo Y4M."),
    microphone_file_unusable: ({ device }) =>
      say(`${device} no es una grabación que Snug pueda reproducir.`, "Elige un archivo WAV."),
    recording_exists: () => say("Ya hay una grabación con ese nombre.", "Elige otro nombre."),
    recording_unwritable: () => say("Snug no puede grabar ahí.", "Elige otra carpeta."),
    recording_disk_full: () =>
      say(
        "El disco está lleno y la grabación se detuvo. Lo grabado hasta entonces se conserva.",
        "Libera espacio y vuelve a grabar.",
      ),
    recording_write_failed: () =>
      say(
        "El disco falló y la grabación se detuvo. Lo grabado hasta entonces se conserva.",
        "Comprueba el disco y vuelve a grabar.",
      ),
    recording_unknown_track: () => say("La grabación no conoce a esta persona.", "Detenla y graba de nuevo."),
    codec_failed: () => say("No se pudo empaquetar una imagen o un sonido.", "Sal de la sala y entra de nuevo."),
  },
  general,
};

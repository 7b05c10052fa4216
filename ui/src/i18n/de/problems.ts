import type { Catalogue } from "../catalogue";
import { type Entry, say } from "../en/problems";

const general = {
  host: "der Gastgeber",
  room: "der Raum",
  camera: "die Kamera",
  microphone: "das Mikrofon",
  speaker: "der Lautsprecher",
  device: "das Gerät",
};

/** A name stays as it is; the general term is declined. */
const dative = (host: string) => (host === general.host ? "dem Gastgeber" : host);
const from = (host: string) => (host === general.host ? "vom Gastgeber" : `von ${host}`);
const theRoom = (room: string) => (room === general.room ? "den Raum" : room);
const outOf = (room: string) => (room === general.room ? "aus dem Raum" : `aus ${room}`);

const mediaKey: Entry = ({ host }) =>
  say(
    `Ton und Bild ${from(host)} sind mit einem anderen Schlüssel gesichert, als der Raum angekündigt hat.`,
    "Vielleicht ist jemand dazwischen. Tritt aus einem Netzwerk bei, dem du vertraust.",
  );

const AGAIN = "Versuch es gleich noch einmal.";
const CHECK = "Prüf das Netzwerk, dann versuch es noch einmal.";
const REOPEN = "Bitte den Gastgeber, ihn wieder zu öffnen.";
const ALLOW = "Erlaub es in den Einstellungen des Systems, dann versuch es noch einmal.";
const ALLOW_PAGE = "Erlaub es neben der Adresse, dann versuch es noch einmal. Du kannst auch ohne beitreten.";
const FREE = "Schließ es dort und versuch es noch einmal. Du kannst auch ohne beitreten.";

export const problems: Catalogue["problems"] = {
  words: {
    unknown_host: ({ host }) =>
      say(
        `Dieses Netzwerk kennt keinen Computer namens ${dative(host)}.`,
        "Prüf den Namen, oder nimm die Adresse, die Snug beim Gastgeber zeigt.",
      ),
    port_refused: ({ host }) =>
      say(`${host} ist da, aber Snug läuft dort nicht.`, "Bitte den Gastgeber, den Raum zu öffnen, oder prüf den Link."),
    no_answer: ({ host }) =>
      say(`Keine Antwort ${from(host)}.`, "Ist Snug auf diesem Computer offen? Ist dort die Firewall an?"),
    unreachable: ({ host }) =>
      say(
        `Von diesem Computer führt kein Weg zu ${dative(host)}.`,
        "Geh in das Netzwerk dieses Computers, dann versuch es noch einmal.",
      ),
    wrong_key: ({ host }) =>
      say(
        `${host} ist nicht der Computer, für den dieser Link gemacht wurde.`,
        "Frag den Gastgeber nach einem neuen Link.",
      ),
    changed_key: ({ host }) =>
      say(
        "Das ist nicht der Computer, mit dem du letztes Mal verbunden warst.",
        `Falls ${host} auf einen neuen umgezogen ist, frag nach dessen Link und tritt damit bei.`,
      ),
    untrusted_certificate: ({ host }) =>
      say(
        `Niemand, dem dieser Computer vertraut, bürgt für ${host === general.host ? "den Gastgeber" : host}.`,
        "Nimm den Link, den Snug beim Gastgeber zeigt. Er trägt den Schlüssel.",
      ),
    media_key: mediaKey,
    not_snug: ({ host }) =>
      say(`${host} antwortet, aber das ist kein Raum von Snug.`, "Prüf die Adresse im Link."),
    removed: ({ room }) =>
      say(`Der Gastgeber hat dich ${outOf(room)} entfernt.`, "Bitte ihn, dich wieder hereinzulassen."),
    room_closed: ({ room }) => say(`${room} wurde geschlossen.`, REOPEN),
    host_ended: ({ room }) => say(`Der Gastgeber hat ${theRoom(room)} beendet.`, REOPEN),
    not_allowed: () => say("Das kann nur ein Gastgeber des Raums.", "Frag den Gastgeber."),
    room_locked: ({ room }) =>
      say(`${room} ist abgeschlossen.`, "Bitte den Gastgeber aufzuschließen, und versuch es noch einmal."),
    lobby_full: () =>
      say("Viele warten gerade auf Einlass.", "Versuch es gleich noch einmal."),
    turned_away: () =>
      say("Der Gastgeber hat dich dieses Mal nicht hereingelassen.", "Frag noch einmal."),
    barred: () =>
      say("Der Gastgeber hat dich aus dem Raum entfernt.", "Bitte ihn, dich wieder hereinzulassen."),
    muted_by_host: () =>
      say("Ein Gastgeber hat dich stummgeschaltet.", "Schalte dich wieder ein, wenn du weiterreden willst."),
    hidden_by_host: () =>
      say("Ein Gastgeber hat dein Video angehalten.", "Schalte die Kamera ein, wenn du weitermachen willst."),
    media_unreachable: ({ host }) =>
      say(
        `Der Raum antwortet, aber Ton und Bild kommen nicht bis zu ${dative(host)}.`,
        "Ist dort die Firewall an? Snug braucht UDP.",
      ),
    connection_lost: ({ host }) => say(`Die Verbindung zu ${dative(host)} ist weg.`, CHECK),
    left: () => say("Du hast den Raum verlassen.", "Komm zurück, wann immer du magst."),
    busy: () => say("Snug arbeitet noch an dem, was du vorher wolltest.", AGAIN),
    internal: () =>
      say("In Snug ist etwas schiefgegangen.", "Versuch es noch einmal. Wenn es bleibt, schick uns das Protokoll."),

    refused: ({ room }) =>
      say(
        `Der Gastgeber lässt dich nicht in ${room === general.room ? "den Raum" : room}.`,
        "Frag ihn nach einem neuen Link.",
      ),
    "failed to start room": ({ room }) => say(`${room} ließ sich nicht öffnen.`, AGAIN),
    "join crashed": ({ host }) => say(`Bei ${dative(host)} ging etwas schief, als du hereinkamst.`, AGAIN),
    "unmatched topic": ({ host }) => say(`${host} hat keine Räume dieser Art.`, "Prüf den Link."),
    "too many channels joined": () =>
      say("Snug ist in zu vielen Räumen zugleich.", "Verlass einen davon, dann versuch es noch einmal."),
    "no such room": ({ room, host }) =>
      say(
        room === general.room ? `Diesen Raum gibt es bei ${dative(host)} nicht.` : `Bei ${dative(host)} gibt es keinen Raum namens ${room}.`,
        "Prüf den Namen, oder bitte den Gastgeber, ihn zu öffnen.",
      ),
    room_full: ({ room }) => say(`${room} ist voll.`, "Versuch es noch einmal, wenn jemand gegangen ist."),
    too_many_joins: ({ host }) =>
      say(`Aus diesem Netzwerk kommen zu viele auf einmal zu ${dative(host)}.`, AGAIN),
    server_full: ({ host }) => say(`${host} hat schon so viele Räume offen, wie es geht.`, "Versuch es später noch einmal."),
    fingerprint_mismatch: mediaKey,
    bad_offer: ({ host }) =>
      say(
        `${host} kann Ton und Bild mit dieser Version von Snug nicht verbinden.`,
        "Aktualisier Snug auf beiden Computern, dann versuch es noch einmal.",
      ),
    media_refused: ({ host }) => say(`${host} wollte Ton und Bild nicht verbinden.`, AGAIN),
    media_lost: ({ host }) =>
      say(`${host} hat Ton und Bild verloren.`, "Bitte den Gastgeber, Snug neu zu starten."),
    slow_consumer: () => say("Deine Verbindung kam mit dem Raum nicht mit.", CHECK),
    server_stopping: ({ host }) => say(`${host} schließt den Raum.`, REOPEN),

    port_in_use: () =>
      say("Ein anderes Programm benutzt den Anschluss für Räume von Snug.", "Schließ es dort, dann versuch es noch einmal."),
    identity_file: () =>
      say("Snug kann seinen eigenen Schlüssel nicht lesen.", "Prüf, ob du in den Ordner von Snug schreiben darfst."),
    identity_damaged: () =>
      say("Der eigene Schlüssel von Snug ist beschädigt.", "Schieb die Datei weg, dann macht Snug einen neuen."),
    host_failed: () => say("Der Raum ließ sich nicht öffnen.", AGAIN),
    in_a_room: () => say("Du bist schon in einem Raum.", "Verlass ihn zuerst, dann versuch es noch einmal."),
    ending: () => say("Snug wird gerade beendet.", "Öffne es noch einmal."),

    camera_absent: () => say("Dieser Computer hat keine Kamera.", "Du kannst auch ohne beitreten."),
    camera_busy: () => say("Ein anderes Programm benutzt die Kamera.", FREE),
    camera_unplugged: ({ device }) =>
      say(`${device} wurde abgezogen.`, "Steck sie wieder an, oder nimm eine andere Kamera."),
    camera_denied: () => say("Dieser Computer lässt Snug nicht an die Kamera.", ALLOW),
    camera_format: ({ device }) => say(`${device} liefert kein Bild, das Snug lesen kann.`, "Nimm eine andere Kamera."),
    camera_failed: ({ device }) =>
      say(`${device} hat aufgehört zu laufen.`, "Versuch es noch einmal, oder nimm eine andere Kamera."),
    microphone_absent: () => say("Dieser Computer hat kein Mikrofon.", "Du kannst auch ohne beitreten."),
    microphone_busy: () => say("Ein anderes Programm benutzt das Mikrofon.", FREE),
    microphone_unplugged: ({ device }) =>
      say(`${device} wurde abgezogen.`, "Steck es wieder an, oder nimm ein anderes Mikrofon."),
    microphone_denied: () => say("Dieser Computer lässt Snug nicht ans Mikrofon.", ALLOW),
    microphone_format: ({ device }) =>
      say(`${device} liefert keinen Ton, den Snug lesen kann.`, "Nimm ein anderes Mikrofon."),
    microphone_failed: ({ device }) =>
      say(`${device} hat aufgehört zu laufen.`, "Versuch es noch einmal, oder nimm ein anderes Mikrofon."),
    speaker_absent: () =>
      say("Dieser Computer hat keinen Lautsprecher.", "Schließ Kopfhörer an, um die anderen zu hören."),
    speaker_busy: () =>
      say("Ein anderes Programm benutzt den Lautsprecher.", "Schließ es dort und versuch es noch einmal."),
    speaker_unplugged: ({ device }) =>
      say(`${device} wurde abgezogen.`, "Steck ihn wieder an, oder nimm einen anderen Lautsprecher."),
    speaker_denied: () => say("Dieser Computer lässt Snug nicht an den Lautsprecher.", ALLOW),
    speaker_format: ({ device }) =>
      say(`${device} nimmt keinen Ton an, den Snug machen kann.`, "Nimm einen anderen Lautsprecher."),
    speaker_failed: ({ device }) =>
      say(`${device} hat aufgehört zu laufen.`, "Versuch es noch einmal, oder nimm einen anderen Lautsprecher."),

    camera_blocked: () => say("Der Browser lässt diese Seite nicht an die Kamera.", ALLOW_PAGE),
    microphone_blocked: () => say("Der Browser lässt diese Seite nicht ans Mikrofon.", ALLOW_PAGE),
    not_in_browser: () => say("Ein Browser kann das nicht.", "Snug selbst kann es."),
    put_out: ({ room }) =>
      say(
        `Du bist nicht mehr in ${room === general.room ? "dem Raum" : room}.`,
        "Der Gastgeber hat ihn geschlossen oder dich entfernt, oder du warst zu lange weg. Komm wieder herein, oder frag nach.",
      ),

    camera_away: ({ device }) =>
      say(`${device} ist nicht angeschlossen.`, "Steck sie an, oder nimm eine andere Kamera."),
    microphone_away: ({ device }) =>
      say(`${device} ist nicht angeschlossen.`, "Steck es an, oder nimm ein anderes Mikrofon."),
    speaker_away: ({ device }) =>
      say(`${device} ist nicht angeschlossen.`, "Steck ihn an, oder nimm einen anderen Lautsprecher."),

    camera_file_unusable: ({ device }) => say(`${device} ist kein Film, den Snug abspielen kann.`, "Nimm eine Y4M-Datei."),
    microphone_file_unusable: ({ device }) =>
      say(`${device} ist keine Aufnahme, die Snug abspielen kann.`, "Nimm eine WAV-Datei."),
    recording_exists: () => say("Eine Aufnahme mit diesem Namen gibt es schon.", "Nimm einen anderen Namen."),
    recording_unwritable: () => say("Dort kann Snug nicht aufnehmen.", "Nimm einen anderen Ordner."),
    recording_disk_full: () =>
      say(
        "Die Platte ist voll, darum hat die Aufnahme aufgehört. Was bis dahin aufgenommen war, ist da.",
        "Mach Platz, dann nimm weiter auf.",
      ),
    recording_write_failed: () =>
      say(
        "Die Platte hat versagt, darum hat die Aufnahme aufgehört. Was bis dahin aufgenommen war, ist da.",
        "Prüf die Platte, dann nimm weiter auf.",
      ),
    recording_unknown_track: () => say("Die Aufnahme kennt diese Person nicht.", "Beende sie und nimm neu auf."),
    codec_failed: () =>
      say("Ein Bild oder Ton ließ sich nicht verpacken.", "Verlass den Raum und tritt noch einmal bei."),
  },
  general,
};

import type { Catalogue } from "../catalogue";
import { type Entry, say } from "../en/problems";

const general = {
  host: "l’hôte",
  room: "le salon",
  camera: "la caméra",
  microphone: "le micro",
  speaker: "le haut-parleur",
  device: "l’appareil",
};

/** A name stays as it is; the general term joins with the word before it. */
const ofRoom = (room: string) => (room === general.room ? "du salon" : `de ${room}`);
const inRoom = (room: string) => (room === general.room ? "dans le salon" : `dans ${room}`);

const mediaKey: Entry = ({ host }) =>
  say(
    `Son et image de ${host} sont scellés avec une autre clé que celle annoncée par le salon.`,
    "Quelqu’un est peut-être entre vous. Reviens depuis un réseau de confiance.",
  );

const AGAIN = "Réessaie dans un instant.";
const CHECK = "Vérifie le réseau, puis réessaie.";
const REOPEN = "Demande à l’hôte de le rouvrir.";
const ALLOW = "Autorise-le dans les réglages du système, puis réessaie.";
const ALLOW_PAGE = "Autorise-le à côté de l’adresse, puis réessaie. Tu peux entrer sans.";
const FREE = "Ferme-le là-bas et réessaie. Tu peux entrer sans.";

export const problems: Catalogue["problems"] = {
  words: {
    unknown_host: ({ host }) =>
      say(
        `Ce réseau ne connaît aucun ordinateur du nom de ${host}.`,
        "Vérifie le nom, ou prends l’adresse que Snug montre chez l’hôte.",
      ),
    port_refused: ({ host }) =>
      say(`${host} est là, mais Snug n’y est pas ouvert.`, "Demande à l’hôte d’ouvrir le salon, ou vérifie le lien."),
    no_answer: ({ host }) =>
      say(`Pas de réponse de ${host}.`, "Snug est-il ouvert sur cet ordinateur ? Son pare-feu est-il actif ?"),
    unreachable: ({ host }) =>
      say(
        `Aucun chemin ne mène de cet ordinateur à ${host}.`,
        "Rejoins le réseau de cet ordinateur, puis réessaie.",
      ),
    wrong_key: ({ host }) =>
      say(`${host} n’est pas l’ordinateur pour lequel ce lien a été fait.`, "Demande un nouveau lien à l’hôte."),
    changed_key: ({ host }) =>
      say(
        "Ce n’est pas l’ordinateur que tu as rejoint la dernière fois.",
        `Si ${host} a changé d’ordinateur, demande son lien et entre avec.`,
      ),
    untrusted_certificate: ({ host }) =>
      say(
        `Personne à qui cet ordinateur fait confiance ne répond de ${host}.`,
        "Prends le lien que Snug montre chez l’hôte. Il porte la clé.",
      ),
    media_key: mediaKey,
    not_snug: ({ host }) => say(`${host} répond, mais ce n’est pas un salon Snug.`, "Vérifie l’adresse dans le lien."),
    removed: ({ room }) =>
      say(`L’hôte t’a fait sortir ${ofRoom(room)}.`, "Demande-lui de te laisser revenir."),
    room_closed: ({ room }) => say(`${room} est fermé.`, REOPEN),
    host_ended: ({ room }) => say(`L’hôte a mis fin à la réunion ${inRoom(room)}.`, "Demande-lui de rouvrir le salon."),
    not_allowed: () => say("Seul un hôte du salon peut faire cela.", "Demande à l’hôte."),
    room_locked: ({ room }) =>
      say(`${room} est verrouillé.`, "Demande à l’hôte de déverrouiller, puis réessaie."),
    lobby_full: () =>
      say("Beaucoup de personnes attendent d’entrer.", "Réessaie dans un instant."),
    turned_away: () =>
      say("L’hôte ne t’a pas laissé entrer cette fois.", "Demande encore."),
    barred: () =>
      say("L’hôte t’a fait sortir du salon.", "Demande-lui de te laisser revenir."),
    muted_by_host: () =>
      say("Un hôte a coupé ton micro.", "Rallume-le quand tu veux continuer."),
    hidden_by_host: () =>
      say("Un hôte a arrêté ta vidéo.", "Rallume la caméra quand tu veux continuer."),
    media_unreachable: ({ host }) =>
      say(
        `Le salon répond, mais son et image n’arrivent pas jusqu’à ${host}.`,
        "Le pare-feu de cet ordinateur est-il actif ? Snug a besoin d’UDP.",
      ),
    connection_lost: ({ host }) => say(`La connexion à ${host} est perdue.`, CHECK),
    left: () => say("Tu as quitté le salon.", "Reviens quand tu veux."),
    busy: () => say("Snug travaille encore à ta demande d’avant.", AGAIN),
    internal: () =>
      say("Quelque chose a mal tourné dans Snug.", "Réessaie. Si cela persiste, envoie-nous le journal."),

    refused: ({ room }) => say(`L’hôte ne te laisse pas entrer ${inRoom(room)}.`, "Demande-lui un nouveau lien."),
    "failed to start room": ({ room }) => say(`Impossible d’ouvrir ${room}.`, AGAIN),
    "join crashed": ({ host }) => say(`Un incident chez ${host} a interrompu ton entrée.`, AGAIN),
    "unmatched topic": ({ host }) => say(`${host} n’a pas de salon de ce genre.`, "Vérifie le lien."),
    "too many channels joined": () =>
      say("Snug est dans trop de salons à la fois.", "Quittes-en un, puis réessaie."),
    "no such room": ({ room, host }) =>
      say(
        room === general.room ? `Ce salon n’existe pas chez ${host}.` : `Il n’y a pas de salon ${room} chez ${host}.`,
        "Vérifie le nom, ou demande à l’hôte de l’ouvrir.",
      ),
    room_full: ({ room }) => say(`${room} est complet.`, "Réessaie quand quelqu’un sera parti."),
    too_many_joins: ({ host }) =>
      say(`Trop de monde arrive chez ${host} en même temps depuis ce réseau.`, AGAIN),
    server_full: ({ host }) => say(`${host} a déjà ouvert autant de salons que possible.`, "Réessaie plus tard."),
    fingerprint_mismatch: mediaKey,
    bad_offer: ({ host }) =>
      say(
        `${host} ne peut pas connecter le son et l’image avec cette version de Snug.`,
        "Mets Snug à jour sur les deux ordinateurs, puis réessaie.",
      ),
    media_refused: ({ host }) => say(`${host} a refusé de connecter le son et l’image.`, AGAIN),
    media_lost: ({ host }) => say(`${host} a perdu le son et l’image.`, "Demande à l’hôte de redémarrer Snug."),
    slow_consumer: () => say("Ta connexion n’arrivait pas à suivre le salon.", CHECK),
    server_stopping: ({ host }) => say(`${host} est en train de fermer le salon.`, REOPEN),

    port_in_use: () =>
      say("Un autre programme occupe le port des salons de Snug.", "Ferme-le là-bas, puis réessaie."),
    identity_file: () =>
      say("Snug ne peut pas lire sa propre clé.", "Vérifie que tu as le droit d’écrire dans le dossier de Snug."),
    identity_damaged: () =>
      say("La clé de Snug est abîmée.", "Déplace le fichier, et Snug en fera une nouvelle."),
    host_failed: () => say("Impossible d’ouvrir le salon.", AGAIN),
    in_a_room: () => say("Tu es déjà dans un salon.", "Quitte-le d’abord, puis réessaie."),
    ending: () => say("Snug se ferme.", "Ouvre-le à nouveau."),

    camera_absent: () => say("Cet ordinateur n’a pas de caméra.", "Tu peux entrer sans."),
    camera_busy: () => say("Un autre programme utilise la caméra.", FREE),
    camera_unplugged: ({ device }) =>
      say(`${device} : débranchée.`, "Rebranche-la, ou choisis une autre caméra."),
    camera_denied: () => say("Cet ordinateur ne laisse pas Snug utiliser la caméra.", ALLOW),
    camera_format: ({ device }) =>
      say(`${device} ne donne pas d’image que Snug sache lire.`, "Choisis une autre caméra."),
    camera_failed: ({ device }) =>
      say(`${device} ne fonctionne plus.`, "Réessaie, ou choisis une autre caméra."),
    microphone_absent: () => say("Cet ordinateur n’a pas de micro.", "Tu peux entrer sans."),
    microphone_busy: () => say("Un autre programme utilise le micro.", FREE),
    microphone_unplugged: ({ device }) =>
      say(`${device} : débranché.`, "Rebranche-le, ou choisis un autre micro."),
    microphone_denied: () => say("Cet ordinateur ne laisse pas Snug utiliser le micro.", ALLOW),
    microphone_format: ({ device }) =>
      say(`${device} ne donne pas de son que Snug sache lire.`, "Choisis un autre micro."),
    microphone_failed: ({ device }) =>
      say(`${device} ne fonctionne plus.`, "Réessaie, ou choisis un autre micro."),
    speaker_absent: () => say("Cet ordinateur n’a pas de haut-parleur.", "Branche un casque pour entendre les autres."),
    speaker_busy: () => say("Un autre programme utilise le haut-parleur.", "Ferme-le là-bas et réessaie."),
    speaker_unplugged: ({ device }) =>
      say(`${device} : débranché.`, "Rebranche-le, ou choisis un autre haut-parleur."),
    speaker_denied: () => say("Cet ordinateur ne laisse pas Snug utiliser le haut-parleur.", ALLOW),
    speaker_format: ({ device }) =>
      say(`${device} n’accepte aucun son que Snug sache faire.`, "Choisis un autre haut-parleur."),
    speaker_failed: ({ device }) =>
      say(`${device} ne fonctionne plus.`, "Réessaie, ou choisis un autre haut-parleur."),

    camera_blocked: () => say("Le navigateur ne laisse pas cette page utiliser la caméra.", ALLOW_PAGE),
    microphone_blocked: () => say("Le navigateur ne laisse pas cette page utiliser le micro.", ALLOW_PAGE),
    not_in_browser: () => say("Un navigateur ne sait pas faire cela.", "Snug, lui, le sait."),
    put_out: ({ room }) =>
      say(
        `Tu n’es plus ${inRoom(room)}.`,
        "L’hôte l’a fermé ou t’a fait sortir, ou ton absence a trop duré. Reviens, ou demande à l’hôte.",
      ),

    camera_away: ({ device }) => say(`${device} : non branchée.`, "Branche-la, ou choisis une autre caméra."),
    microphone_away: ({ device }) => say(`${device} : non branché.`, "Branche-le, ou choisis un autre micro."),
    speaker_away: ({ device }) => say(`${device} : non branché.`, "Branche-le, ou choisis un autre haut-parleur."),

    camera_file_unusable: ({ device }) =>
      say(`${device} n’est pas un film que Snug sache lire.`, "Choisis un fichier Y4M."),
    microphone_file_unusable: ({ device }) =>
      say(`${device} n’est pas un enregistrement que Snug sache lire.`, "Choisis un fichier WAV."),
    recording_exists: () => say("Un enregistrement de ce nom existe déjà.", "Choisis un autre nom."),
    recording_unwritable: () => say("Snug ne peut pas enregistrer à cet endroit.", "Choisis un autre dossier."),
    recording_disk_full: () =>
      say(
        "Le disque est plein, l’enregistrement s’est donc arrêté. Ce qui précède est gardé.",
        "Fais de la place, puis enregistre à nouveau.",
      ),
    recording_write_failed: () =>
      say(
        "Le disque a lâché, l’enregistrement s’est donc arrêté. Ce qui précède est gardé.",
        "Vérifie le disque, puis enregistre à nouveau.",
      ),
    recording_unknown_track: () =>
      say("L’enregistrement ne connaît pas cette personne.", "Arrête-le et recommence."),
    codec_failed: () => say("Une image ou un son n’a pas pu être emballé.", "Quitte le salon et reviens."),
  },
  general,
};

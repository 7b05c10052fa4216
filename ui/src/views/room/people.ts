// People as the room shows them: with a name of their own, and oneself as one's own devices are.

import { words } from "../../i18n/words.svelte";
import type { Me, MicrophoneState, Person, Room } from "../../ipc/types";
import { numberSameNames } from "../../rules/names";

export interface ShownPerson extends Person {
  /** The name on screen; "Guest" for whoever has none. */
  shownName: string;
  /** Tells people of one name apart; null for a name of its own. */
  number: number | null;
  /** Why nothing is heard of them, in words; null while their microphone is on. */
  silence: string | null;
}

/**
 * Makes the list that every part of the room draws. One's own microphone and camera are taken from
 * the devices, so that muted looks muted everywhere at once, before the host has said it back.
 */
export function shownPeople({ people, connection }: Room, me: Me): ShownPerson[] {
  const numbers = numberSameNames(people);
  const isStopped = connection === "capture_stopped";
  // Nothing new is known of anybody while the host is not heard.
  const isCutOff = isStopped || connection === "reconnecting";
  return people.map((person) => {
    const { microphone, tile } = person.is_me ? ownDevices(person, me, isStopped) : person;
    return {
      ...person,
      microphone,
      tile,
      is_reconnecting: person.is_reconnecting || (isCutOff && !person.is_me),
      shownName: person.name.trim() === "" ? words.room.guest : person.name,
      number: numbers.get(person.id) ?? null,
      silence: silenceOf(microphone),
    };
  });
}

function silenceOf(microphone: MicrophoneState): string | null {
  if (microphone === "live") return null;
  return microphone === "muted" ? words.common.muted : words.common.noMicrophone;
}

function ownDevices(person: Person, me: Me, isStopped: boolean): Pick<Person, "microphone" | "tile"> {
  return {
    microphone: me.microphone.is_on && !isStopped ? person.microphone : "muted",
    tile: me.camera.is_on && !isStopped ? person.tile : null,
  };
}

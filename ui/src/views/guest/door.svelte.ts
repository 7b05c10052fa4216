// The way in by a browser: which room, under which name, and what is wrong with either.
import { words } from "../../i18n/words.svelte";
import { problemOf } from "../../ipc/backend";
import { personNameFault, roomNameFault } from "../../rules/names";
import type { App } from "../../state/app.svelte";
import { nameSentence, roomSentence } from "../home/sentences";

/** Where the page is: its address names the room. */
export interface Address {
  room(): string | null;
  /** Makes the address that of a room, or of none. */
  go(room: string | null): void;
}

export class Door {
  nameError = $state<string>();
  roomError = $state<string>();
  /** What was typed as the room's name, while the address names none. */
  typedRoom = $state("");
  #name = $state<string | null>(null);
  #room = $state<string | null>(null);

  readonly #app: App;
  readonly #address: Address;

  constructor(app: App, address: Address) {
    this.#app = app;
    this.#address = address;
    this.#room = address.room();
  }

  /** The room that the address names. */
  get room(): string | null {
    return this.#room;
  }

  get name(): string {
    return this.#name ?? this.#app.snapshot?.settings.name ?? "";
  }

  set name(typed: string) {
    this.#name = typed;
    this.nameError = undefined;
  }

  /** Follows the address, as after the browser's own way back. */
  follow(): void {
    this.#room = this.#address.room();
  }

  /** Asks for a room's name anew. */
  forgetRoom(): void {
    this.#address.go(null);
    this.follow();
    this.#app.ask(this.#app.backend.dismissProblem());
  }

  /** Goes in. What keeps the person from it is said beside the field; says which. */
  join(): "room" | "name" | null {
    const room = this.#room ?? this.typedRoom.trim().normalize("NFC");
    const roomFault = roomNameFault(room);
    this.roomError = roomFault === null ? undefined : roomFault === "empty" ? words.guest.roomMissing : roomSentence(roomFault);
    const name = this.name.trim();
    const nameFault = personNameFault(name);
    this.nameError = nameFault === null ? undefined : nameSentence(nameFault);
    if (roomFault !== null) return "room";
    if (nameFault !== null) return "name";
    if (this.#room === null) {
      this.#address.go(room);
      this.follow();
    }
    this.#app.ask(this.#enter(name, room));
    return null;
  }

  async #enter(name: string, room: string): Promise<void> {
    try {
      await this.#app.backend.setName(name);
      await this.#app.backend.joinRoom(room);
    } catch (error) {
      throw problemOf(error);
    }
  }
}

// The way from home into a room: what was typed is checked, and what is wrong is said beside it.
// Without a name nobody goes anywhere, but the wish is kept until there is one.
import { words } from "../../i18n/words.svelte";
import { problemSentence } from "../../i18n/problems";
import { problemOf } from "../../ipc/backend";
import { linkFault } from "../../rules/link";
import { personNameFault, roomNameFault } from "../../rules/names";
import type { App } from "../../state/app.svelte";
import type { HomeDraft } from "./draft.svelte";
import { linkSentence, nameSentence, roomSentence, suggestedRoom } from "./sentences";

/** A name is kept this long after its last letter. */
const NAME_SETTLES_MS = 400;

/** Code of the problem that a way into a room was asked for before there was a name. */
export const NAME_NEEDED = "name_needed";

/** What the person asked for: a room of their own, the link in the field, or a room of a list. */
type Wish = { kind: "host" } | { kind: "join" } | { kind: "recent" | "found"; link: string };

export class Way {
  nameError = $state<string>();
  roomError = $state<string>();
  linkError = $state<string>();

  readonly #app: App;
  readonly #draft: HomeDraft;
  readonly #askForName: () => void;
  #isBusy = false;
  /** Waits for the name. */
  #pending: Wish | null = null;
  #settling: ReturnType<typeof setTimeout> | undefined;

  /** `askForName` brings the person to the field of their name. */
  constructor(app: App, draft: HomeDraft, askForName: () => void) {
    this.#app = app;
    this.#draft = draft;
    this.#askForName = askForName;
  }

  get name(): string {
    return this.#draft.name ?? this.#app.snapshot?.settings.name ?? "";
  }

  set name(typed: string) {
    this.#draft.name = typed;
    this.nameError = undefined;
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => void this.saveName(), NAME_SETTLES_MS);
  }

  get room(): string {
    return this.#draft.room ?? (this.name.trim() === "" ? "" : this.suggestedRoom);
  }

  set room(typed: string) {
    this.#draft.room = typed;
    this.roomError = undefined;
  }

  get suggestedRoom(): string {
    return suggestedRoom(this.name);
  }

  get link(): string {
    return this.#draft.link;
  }

  set link(typed: string) {
    this.#draft.link = typed;
    this.linkError = undefined;
  }

  /** Hosts a room. */
  host(): void {
    const fault = roomNameFault(this.room);
    if (fault !== null && fault !== "empty") this.roomError = roomSentence(fault);
    else void this.#go({ kind: "host" });
  }

  /** Joins what stands in the field. */
  join(): void {
    const known = this.#app.snapshot?.recent.map(({ room }) => room) ?? [];
    const fault = linkFault(this.link, known);
    if (fault !== null) this.linkError = linkSentence(fault);
    else void this.#go({ kind: "join" });
  }

  /** Joins a room on this network. */
  joinFound(link: string): void {
    void this.#go({ kind: "found", link });
  }

  /** Joins a room of the list. */
  joinRecent(link: string): void {
    void this.#go({ kind: "recent", link });
  }

  /** Asks for the name that the way to `link` was missing; with it, the way goes on. */
  needName(link: string | null): void {
    if (link !== null) {
      this.#draft.link = link;
      this.#pending = { kind: "join" };
    }
    this.nameError = words.home.nameMissing;
    this.#askForName();
  }

  /** Takes the name as it stands, and goes where the person wanted before they were asked for it. */
  confirmName(): void {
    if (this.#pending !== null) void this.#go(this.#pending);
    else void this.saveName();
  }

  /** Keeps the name. Says whether there is one that others can be told. */
  async saveName(): Promise<boolean> {
    clearTimeout(this.#settling);
    const fault = personNameFault(this.name);
    if (fault !== null) {
      // An empty one is no mistake until it is needed.
      if (fault !== "empty") this.nameError = nameSentence(fault);
      return false;
    }
    const name = this.name.trim();
    if (name === this.#app.snapshot?.settings.name) return true;
    try {
      await this.#app.backend.setName(name);
      return true;
    } catch (error) {
      this.nameError = problemSentence(problemOf(error));
      return false;
    }
  }

  async #go(wish: Wish): Promise<void> {
    // A second click while the first is on its way means the same.
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      if (await this.saveName()) {
        this.#pending = null;
        await this.#ask(wish);
      } else {
        this.#pending = wish;
        this.nameError ??= words.home.nameMissing;
        this.#askForName();
      }
    } finally {
      this.#isBusy = false;
    }
  }

  async #ask(wish: Wish): Promise<void> {
    const { backend } = this.#app;
    try {
      if (wish.kind === "host") await backend.hostRoom(this.room.trim() || this.suggestedRoom);
      else if (wish.kind === "join") await backend.joinRoom(this.link.trim());
      else if (wish.kind === "found") await backend.joinFound(wish.link);
      else await backend.joinRoom(wish.link);
    } catch (error) {
      const problem = problemOf(error);
      if (problem.code === NAME_NEEDED) {
        this.needName(problem.details.link);
        return;
      }
      const sentence = problemSentence(problem);
      if (wish.kind === "host") this.roomError = sentence;
      else this.linkError = sentence;
    }
  }
}

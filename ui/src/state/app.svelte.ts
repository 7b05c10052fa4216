// Everything a view may use, handed down by Svelte's context: one object per page.

import { getContext, setContext } from "svelte";

import { type Backend, problemOf, type Unlisten } from "../ipc/backend";
import type { Snapshot } from "../ipc/types";
import type { Tiles } from "../tiles/tiles";
import { LevelsStore } from "./levels.svelte";
import { Places } from "./places.svelte";
import { SnapshotStore } from "./snapshot.svelte";
import { NO_SOCIAL, SocialStore } from "./social.svelte";
import { UiState } from "./ui.svelte";

export class App {
  readonly backend: Backend;
  readonly store = new SnapshotStore();
  readonly levels = new LevelsStore();
  readonly social = new SocialStore();
  readonly ui = new UiState();
  readonly places = new Places();
  readonly tiles: Tiles;

  constructor(backend: Backend, tiles: Tiles) {
    this.backend = backend;
    this.tiles = tiles;
    this.tiles.onLevels((levels) => this.levels.accept(levels));
  }

  /** The person came by a browser: the page is all they have of Snug. */
  get isGuest(): boolean {
    return this.backend.kind === "browser";
  }

  /** The newest snapshot; null until the program has spoken. */
  get snapshot(): Snapshot | null {
    return this.store.current;
  }

  /** Listens to the program until the answer is called. */
  async start(): Promise<Unlisten> {
    this.tiles.open();
    // Listening comes first: whatever changes while the first snapshot is on its way is not lost.
    const ends = await Promise.all([
      this.backend.onSnapshot((snapshot) => this.#accept(snapshot)),
      this.backend.onCloseAsked(() => this.ui.askToClose()),
      this.backend.onSocial((social) => this.social.accept(social)),
    ]);
    this.#accept(await this.backend.snapshot());
    this.social.accept(await this.backend.social());
    return () => {
      for (const end of ends) end();
      this.tiles.close();
    };
  }

  /** Sends a request; a refusal is shown instead of being lost. */
  ask(request: Promise<void>): void {
    this.ui.refuse(null);
    request.catch((error: unknown) => this.ui.refuse(problemOf(error)));
  }

  #accept(snapshot: Snapshot): void {
    this.store.accept(snapshot);
    if (this.store.current?.stage.kind === "room") return;
    this.ui.leaveRoom();
    this.places.leave();
    this.social.accept(NO_SOCIAL);
  }
}

const KEY = Symbol("app");

/** Hands `app` down to every view below the calling component. */
export function provideApp(app: App): App {
  return setContext(KEY, app);
}

/** Context for mounting a view by itself, as tests do. */
export function appContext(app: App): Map<symbol, App> {
  return new Map([[KEY, app]]);
}

/** Gets the page's app; only while a component is being made. */
export function useApp(): App {
  return getContext<App>(KEY);
}

// What only the page knows: which panel is open, and where the focus goes when it closes.

import type { Problem } from "../ipc/types";

export type Drawer = "people" | "health" | "chat";
export type Sheet = "invite" | "leave" | "shortcuts";

/** What gives the focus back itself; a sheet's dialog does so without us. */
type Panel = "drawer" | "settings";

export class UiState {
  #drawer = $state<Drawer | null>(null);
  #sheet = $state<Sheet | null>(null);
  #isClosing = $state(false);
  #isSettingsOpen = $state(false);
  #refusal = $state.raw<Problem | null>(null);
  #isLinkWanted = $state(false);
  #returns = new Map<Panel, HTMLElement>();

  get drawer(): Drawer | null {
    return this.#drawer;
  }

  get sheet(): Sheet | null {
    return this.#sheet;
  }

  /** The window was asked to close: the leave sheet closes it. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Settings cover whatever is underneath; a call goes on. */
  get isSettingsOpen(): boolean {
    return this.#isSettingsOpen;
  }

  /** Why the last request was refused at once; null when it was not. */
  get refusal(): Problem | null {
    return this.#refusal;
  }

  openDrawer(drawer: Drawer): void {
    // From one drawer to the other the way back stays the same.
    if (this.#drawer === null) this.#remember("drawer");
    this.#drawer = drawer;
  }

  closeDrawer(): void {
    const drawer = this.#drawer;
    if (drawer === null) return;
    this.#drawer = null;
    this.#giveBack("drawer", drawer);
  }

  toggleDrawer(drawer: Drawer): void {
    if (this.#drawer === drawer) this.closeDrawer();
    else this.openDrawer(drawer);
  }

  /** Opens a sheet in place of any other: sheets are never stacked. */
  openSheet(sheet: Sheet): void {
    this.#isClosing = false;
    this.#sheet = sheet;
  }

  closeSheet(): void {
    if (this.#sheet === null) return;
    this.#sheet = null;
    this.#isClosing = false;
  }

  /** Asks whether to leave, because the window was asked to close. */
  askToClose(): void {
    // The question belongs to the room, and settings cover it.
    this.#isSettingsOpen = false;
    this.openSheet("leave");
    this.#isClosing = true;
  }

  openSettings(): void {
    this.#remember("settings");
    this.#isSettingsOpen = true;
  }

  closeSettings(): void {
    this.#isSettingsOpen = false;
    this.#giveBack("settings");
  }

  /** Closes what lies on top: a sheet, else settings, else the drawer. Says whether anything was open. */
  closeTop(): boolean {
    if (this.#sheet !== null) this.closeSheet();
    else if (this.#isSettingsOpen) this.closeSettings();
    else if (this.#drawer !== null) this.closeDrawer();
    else return false;
    return true;
  }

  /** Outside a room nothing of it stays open. */
  leaveRoom(): void {
    this.#drawer = null;
    this.#sheet = null;
    this.#isClosing = false;
    this.#returns.delete("drawer");
  }

  /** A new link is the next step: Home begins with the field for it. */
  get isLinkWanted(): boolean {
    return this.#isLinkWanted;
  }

  wantLink(): void {
    this.#isLinkWanted = true;
  }

  /** The field for a link has the focus. */
  linkOffered(): void {
    this.#isLinkWanted = false;
  }

  refuse(problem: Problem | null): void {
    this.#refusal = problem;
  }

  #remember(panel: Panel): void {
    const focused = document.activeElement;
    if (focused instanceof HTMLElement && focused !== document.body) this.#returns.set(panel, focused);
  }

  /** Gives the focus back, once the panel has left the page, to where it was, else to the button that opens it. */
  #giveBack(panel: Panel, opens: string = panel): void {
    const before = this.#returns.get(panel);
    this.#returns.delete(panel);
    requestAnimationFrame(() => {
      const target = before?.isConnected ? before : document.querySelector(`[data-opens="${opens}"]`);
      if (target instanceof HTMLElement) target.focus();
    });
  }
}

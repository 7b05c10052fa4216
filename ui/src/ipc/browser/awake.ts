// Keeps the screen on during a call. The browser lets go whenever the page is hidden, so it is asked
// again when the page is seen; a browser that cannot, or will not, lets the screen go dark.

export class Awake {
  #isWanted = false;
  #lock: WakeLockSentinel | null = null;

  /** Follows whether the page is seen, for the life of the page. */
  start(): void {
    document.addEventListener("visibilitychange", () => void this.#settle());
  }

  /** The screen is to stay on from now on, or not. */
  want(isWanted: boolean): void {
    this.#isWanted = isWanted;
    void this.#settle();
  }

  async #settle(): Promise<void> {
    if (!this.#isWanted) {
      const lock = this.#lock;
      this.#lock = null;
      await lock?.release().catch(() => undefined);
      return;
    }
    const isHeld = this.#lock !== null && !this.#lock.released;
    if (isHeld || document.visibilityState !== "visible" || !("wakeLock" in navigator)) return;
    const lock = await navigator.wakeLock.request("screen").catch(() => null);
    const isStillWanted = this.#isWanted && (this.#lock === null || this.#lock.released);
    if (isStillWanted) this.#lock = lock;
    else await lock?.release().catch(() => undefined);
  }
}

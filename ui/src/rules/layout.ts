// What of a room fits a window of a given size. Source: the look's "window | what gives way".
// Never goes: microphone, camera, leave, the room's name, who speaks, muted marks.

import type { Rect, Size } from "./grid";

export type DrawerPlace = "docked" | "over" | "fills";

export interface RoomLayout {
  /** 480 to 599 wide or under 440 high: no top bar; its room name moves into the bar. */
  isSmall: boolean;
  /** An upright phone: a low top bar, one big tile with a strip beneath, and larger buttons. */
  isPhone: boolean;
  /** "Encrypted to the host" in words; else its shield alone. */
  hasEncryptionWords: boolean;
  hasTimer: boolean;
  /** "Invite" in words; else its glyph. */
  hasInviteWord: boolean;
  /** Where the drawer goes when it is open. */
  drawer: DrawerPlace;
  gap: number;
  topBarHeight: number;
  barHeight: number;
  /** Where tiles go, in the window. */
  stage: Rect;
  /** Where the drawer goes, in the window. */
  drawerRect: Rect;
}

const SMALL_WIDTH = 600;
const SMALL_HEIGHT = 440;
const DOCKS_FROM = 760;
const WORDS_FROM = 760;

const DRAWER_WIDTH = 328;
const PAGE_DOTS_HEIGHT = 24;

const ROOMY = { top: 56, bar: 80, side: 16, gap: 12, drawerGap: 16 };
/** The gap leaves room for the ring around the big tile. */
const PHONE = { top: 52, bar: 76, side: 8, gap: 10, drawerGap: 8 };
const SMALL = { top: 0, bar: 56, side: 8, gap: 6, drawerGap: 8 };

/**
 * Lays a room out in `window`; `hasPages` keeps a row for page dots under the tiles. Only a browser
 * is ever on a phone.
 */
export function layoutRoom(window: Size, isDrawerOpen: boolean, hasPages: boolean, isBrowser = false): RoomLayout {
  const isSmall = window.width < SMALL_WIDTH || window.height < SMALL_HEIGHT;
  const isPhone = isBrowser && window.width < SMALL_WIDTH && window.height > window.width;
  const measures = isPhone ? PHONE : isSmall ? SMALL : ROOMY;
  const drawer: DrawerPlace = isSmall ? "fills" : window.width < DOCKS_FROM ? "over" : "docked";
  const stage = stageRect(window, measures);
  const drawerRect = drawerIn(window, stage, drawer);
  if (isDrawerOpen && drawer === "docked") stage.width -= DRAWER_WIDTH + measures.drawerGap;
  if (hasPages) stage.height = Math.max(0, stage.height - PAGE_DOTS_HEIGHT);
  return {
    isSmall,
    isPhone,
    hasEncryptionWords: !isSmall && window.width >= WORDS_FROM,
    hasTimer: !isSmall || isPhone,
    hasInviteWord: !isSmall,
    drawer,
    gap: measures.gap,
    topBarHeight: measures.top,
    barHeight: measures.bar,
    stage,
    drawerRect,
  };
}

function stageRect(window: Size, measures: typeof ROOMY): Rect {
  const y = Math.max(measures.top, measures.side);
  return {
    x: measures.side,
    y,
    width: Math.max(0, window.width - 2 * measures.side),
    height: Math.max(0, window.height - y - measures.bar),
  };
}

function drawerIn(window: Size, stage: Rect, place: DrawerPlace): Rect {
  if (place === "fills") return { x: 0, y: 0, width: window.width, height: window.height };
  return { x: stage.x + stage.width - DRAWER_WIDTH, y: stage.y, width: DRAWER_WIDTH, height: stage.height };
}

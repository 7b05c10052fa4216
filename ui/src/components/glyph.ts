// The type of a lucide icon, so that components can take one without importing them all.
import type { LucideProps } from "@lucide/svelte";
import type { Component } from "svelte";

export type Glyph = Component<LucideProps>;

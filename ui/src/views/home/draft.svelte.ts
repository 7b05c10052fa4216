// What the person typed at home. It outlives the view: a failed join brings them back to it.

export class HomeDraft {
  /** Their name as typed; null until they touch it: then the remembered one stands there. */
  name = $state<string | null>(null);
  /** The room's name as typed; null while the suggestion stands there. */
  room = $state<string | null>(null);
  /** What is to be joined. */
  link = $state("");
}

// What every language says: English is the pattern. A key that another one lacks, or has too many,
// is a type error, which `npm run build` stops at.
import type { english } from "./en";

/** The same keys and details, with words of any language. */
type Like<English> = English extends string
  ? string
  : English extends (...details: infer Details) => infer Said
    ? (...details: Details) => Like<Said>
    : { readonly [Key in keyof English]: Like<English[Key]> };

export type Catalogue = Like<typeof english>;

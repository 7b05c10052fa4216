// Words that depend on how many there are, by the rules of each language.

/** The forms that one language tells apart; each has at least `other`. */
export type Forms = { other: string } & Partial<Record<Intl.LDMLPluralRule, string>>;

/** Makes the chooser of a language, named by its BCP 47 tag. */
export function pluralsOf(language: string): (count: number, forms: Forms) => string {
  const rules = new Intl.PluralRules(language);
  return (count, forms) => forms[rules.select(count)] ?? forms.other;
}

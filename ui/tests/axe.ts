// Runs axe on what a test rendered.
import axe from "axe-core";
import { expect } from "vitest";

/** Fails with the rule and the element for every violation in the document: a whole page, or one part alone. */
export async function expectAccessible(what: "page" | "part" = "page"): Promise<void> {
  const { violations } = await axe.run(document.body, {
    rules: {
      // jsdom paints nothing: contrast.test.ts judges the colours, the real window's test the rest.
      "color-contrast": { enabled: false },
      // Landmarks are a page's matter.
      region: { enabled: what === "page" },
    },
  });
  const found = violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`,
  );
  expect(found).toEqual([]);
}

import type { ReactNode } from "react";

/** A part of the page that scrolls by itself; focusable, so that arrow keys scroll it. */
export function Scrollable({ label, children }: { readonly label: string; readonly children: ReactNode }) {
  return (
    <section
      className="relative min-h-0 flex-1 overflow-auto"
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
    >
      {children}
    </section>
  );
}

import type { ReactNode } from "react";

interface SectionProps {
  readonly id: string;
  readonly title: string;
  readonly aside?: ReactNode;
  readonly className?: string;
  readonly children: ReactNode;
}

/** One region of the page with its heading and its controls. */
export function Section({ id, title, aside, className = "", children }: SectionProps) {
  return (
    <section
      aria-labelledby={`${id}-title`}
      className={`flex min-h-0 min-w-0 flex-col rounded-sm border border-line bg-surface ${className}`}
    >
      <header className="flex min-h-10 flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-3 py-1">
        <h2 id={`${id}-title`} className="text-13 font-semibold">
          {title}
        </h2>
        {aside}
      </header>
      {children}
    </section>
  );
}

/** What a region says when it has nothing to show, and what to do about it. */
export function Empty({ children }: { readonly children: ReactNode }) {
  return <div className="grid flex-1 place-items-center p-6 text-center text-ink-2">{children}</div>;
}

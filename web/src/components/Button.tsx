import type { ReactNode } from "react";

const LOOKS = {
  quiet: "border-line text-ink-2 hover:text-ink",
  accent: "border-accent text-accent hover:bg-raised font-semibold",
} as const;

interface ButtonProps {
  readonly onClick: () => void;
  readonly children: ReactNode;
  readonly look?: keyof typeof LOOKS;
  readonly label?: string;
  readonly title?: string;
  readonly disabled?: boolean;
  readonly pressed?: boolean;
  readonly testId?: string;
}

/** A small button; the accent is for what changes something. */
export function Button(props: ButtonProps) {
  return (
    <button
      type="button"
      className={`shrink-0 rounded-sm border px-2 text-12 leading-6 whitespace-nowrap disabled:opacity-60 ${LOOKS[props.look ?? "quiet"]}`}
      onClick={props.onClick}
      disabled={props.disabled}
      title={props.title}
      {...(props.label === undefined ? {} : { "aria-label": props.label })}
      {...(props.pressed === undefined ? {} : { "aria-pressed": props.pressed })}
      data-testid={props.testId}
    >
      {props.children}
    </button>
  );
}

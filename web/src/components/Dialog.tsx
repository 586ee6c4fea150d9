import { type ReactNode, useEffect, useRef } from "react";

const PLACES = {
  centre: "m-auto w-120 max-w-[calc(100vw-32px)] rounded-sm border",
  side: "m-0 ml-auto h-dvh max-h-none w-120 max-w-full border-l",
  top: "mx-auto mt-[12dvh] mb-auto w-150 max-w-[calc(100vw-32px)] rounded-sm border",
} as const;

interface DialogProps {
  readonly titleId: string;
  readonly onClose: () => void;
  readonly place?: keyof typeof PLACES;
  readonly testId?: string;
  readonly children: ReactNode;
}

/** A modal dialog; mounted while it is open. The browser keeps the focus in it and gives it back. */
export function Dialog({ titleId, onClose, place = "centre", testId, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    // Closing, not mere removal, gives the focus back to where it was.
    return () => element?.close();
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Esc closes it by keyboard
    <dialog
      ref={dialog}
      onClose={(event) => !event.currentTarget.open && onClose()}
      onClick={(event) => event.target === event.currentTarget && onClose()}
      aria-labelledby={titleId}
      data-testid={testId}
      className={`border-line bg-surface text-ink shadow-lg ${PLACES[place]}`}
    >
      {children}
    </dialog>
  );
}

export function DialogHead(props: {
  readonly id: string;
  readonly title: string;
  readonly onClose: () => void;
}) {
  return (
    <header className="flex items-center justify-between gap-3 border-b border-line px-4 py-2">
      <h2 id={props.id} className="text-15 font-semibold">
        {props.title}
      </h2>
      <button
        type="button"
        className="rounded-sm border border-line px-2 text-12 leading-6 text-ink-2 hover:text-ink"
        onClick={props.onClose}
      >
        close
      </button>
    </header>
  );
}

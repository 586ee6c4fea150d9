import { useEffect, useRef } from "react";

const KEYS: readonly (readonly [string, string])[] = [
  ["/", "search the transactions"],
  ["j  k", "next, previous channel"],
  ["Enter", "open the channel or transaction in focus"],
  ["Esc", "close the channel's details; in the search: clear it"],
  ["u", "next unit: sat, BTC, hidden"],
  ["t", "dark or light theme"],
  ["?", "this help"],
];

export function KeysDialog({ open, onClose }: { readonly open: boolean; readonly onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open) {
      dialog.current?.showModal();
    } else {
      dialog.current?.close();
    }
  }, [open]);
  return (
    <dialog
      ref={dialog}
      onClose={onClose}
      aria-labelledby="keys-title"
      className="m-auto w-96 max-w-[calc(100vw-32px)] rounded-sm border border-line bg-surface p-4 text-ink"
    >
      <h2 id="keys-title" className="mb-2 text-15 font-semibold">
        Keys
      </h2>
      <dl className="grid grid-cols-[64px_1fr] gap-y-1">
        {KEYS.map(([key, action]) => (
          <div key={key} className="contents">
            <dt>
              <kbd className="rounded-xs border border-line bg-raised px-1 font-sans text-12">{key}</kbd>
            </dt>
            <dd className="text-ink-2">{action}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog" className="mt-4 text-right">
        <button type="submit" className="rounded-sm border border-line px-3 text-13 leading-6">
          close
        </button>
      </form>
    </dialog>
  );
}

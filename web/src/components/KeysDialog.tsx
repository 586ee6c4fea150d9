import { PLACE_FACTS, PLACES } from "../lib/places";
import { Dialog, DialogHead } from "./Dialog";

const KEYS: readonly (readonly [string, string])[] = [
  ["⌘K", "find anything (Ctrl K)"],
  ["/", "search in this place"],
  ["j  k", "next, previous row"],
  ["Enter", "open the row in focus"],
  ["Esc", "close the channel's details; in a search: clear it"],
  ["u", "next unit: sat, BTC, hidden"],
  ["t", "dark or light theme"],
  ["?", "this help"],
  ...PLACES.map((place) => [`g ${PLACE_FACTS[place].key}`, PLACE_FACTS[place].title] as const),
];

export function KeysDialog({ onClose }: { readonly onClose: () => void }) {
  return (
    <Dialog titleId="keys-title" onClose={onClose}>
      <DialogHead id="keys-title" title="Keys" onClose={onClose} />
      <dl className="grid grid-cols-[64px_1fr] gap-y-1 p-4">
        {KEYS.map(([key, action]) => (
          <div key={key} className="contents">
            <dt>
              <kbd className="rounded-xs border border-line bg-raised px-1 font-sans text-12">{key}</kbd>
            </dt>
            <dd className="text-ink-2">{action}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

import { useState, useSyncExternalStore } from "react";
import { useStores } from "../state/context";
import type { TokenQuestion } from "../state/token";
import { Dialog, DialogHead } from "./Dialog";

function Question({ question }: { readonly question: TokenQuestion }) {
  const { tokens, address } = useStores();
  const [text, setText] = useState("");
  return (
    <Dialog titleId="token-title" onClose={tokens.cancel} testId="token-dialog">
      <DialogHead id="token-title" title="The service's token" onClose={tokens.cancel} />
      <form
        className="p-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (text.trim() !== "") {
            tokens.give(text);
          }
        }}
      >
        {question.wasWrong && (
          <p role="alert" className="mb-2 text-failure">
            ✕ That is not this service's token. It is made anew when its file is deleted; copy it again from
            the file, whole.
          </p>
        )}
        <p className="text-ink-2">
          To <span className="text-ink">{question.what}</span>, the service wants to know that you may. Its
          token is a line in a file that only its owner can read; `lens up` and `lens run` print where it is
          kept. The default is:
        </p>
        <p className="my-2 rounded-sm border border-line bg-ground px-2 py-1 wrap-anywhere">
          ~/.local/share/lightninglens/token
        </p>
        <label className="block">
          <span className="text-12 text-ink-2">Token</span>
          <input
            type="password"
            autoComplete="off"
            spellCheck={false}
            className="block w-full rounded-sm border border-line bg-ground px-2 leading-7"
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        </label>
        <p className="mt-2 text-12 text-ink-3">
          It goes to {address.origin} only, and is kept for this tab until it is closed.
        </p>
        <div className="mt-3 flex justify-end gap-2">
          <button
            type="button"
            className="rounded-sm border border-line px-3 text-13 leading-7 text-ink-2 hover:text-ink"
            onClick={tokens.cancel}
          >
            not now
          </button>
          <button
            type="submit"
            disabled={text.trim() === ""}
            className="rounded-sm border border-accent px-3 text-13 leading-7 font-semibold text-accent disabled:opacity-60"
          >
            use it
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** Asks for the token when something is to be changed, and not before. */
export function TokenDialog() {
  const { tokens } = useStores();
  const question = useSyncExternalStore(tokens.subscribe, tokens.question);
  return question === null ? null : (
    <Question key={`${question.what} ${question.wasWrong}`} question={question} />
  );
}

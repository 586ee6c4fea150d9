import { useState } from "react";

const SHOWN_MS = 2_000;

/** Copies a key or an id; says in place whether it worked. */
export function CopyButton({ text, what }: { readonly text: string; readonly what: string }) {
  const [result, setResult] = useState<"copied" | "failed" | null>(null);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setResult("copied");
    } catch {
      setResult("failed");
    }
    window.setTimeout(() => setResult(null), SHOWN_MS);
  };
  return (
    <button
      type="button"
      className="rounded-sm border border-line px-1 text-12 text-ink-2 hover:text-ink"
      onClick={copy}
      aria-label={`Copy ${what}`}
      title={text}
    >
      <span aria-live="polite">
        {result === "copied" ? "copied" : result === "failed" ? "not allowed" : "copy"}
      </span>
    </button>
  );
}

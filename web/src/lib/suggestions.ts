/** Which suggestions are listed. */

import type { SuggestedChange } from "../api/learning";

/**
 * Suggestions to list, open ones first. The one whose plan is open stays, with what it was, when the
 * learner no longer suggests it: it must not vanish under the reader's eyes.
 */
export function listed(
  suggestions: readonly SuggestedChange[],
  reviewed: SuggestedChange | null,
): { readonly open: readonly SuggestedChange[]; readonly ended: readonly SuggestedChange[] } {
  const isOpen = ({ status }: SuggestedChange) => status === "open" || status === "under way";
  const isGone =
    reviewed !== null && suggestions.every((one) => one.suggestion_id !== reviewed.suggestion_id);
  const gone: readonly SuggestedChange[] = isGone
    ? [{ ...reviewed, status: "expired", outcome: "The learner no longer suggests it; nothing was done." }]
    : [];
  return {
    open: suggestions.filter(isOpen),
    ended: [...gone, ...suggestions.filter((one) => !isOpen(one))],
  };
}

/** What the palette finds: places, channels, nodes, actions. Pure; the component acts. */

export interface Command {
  readonly id: string;
  readonly group: "place" | "action" | "channel" | "node";
  readonly label: string;
  /** Searched, but not shown in full. */
  readonly detail: string;
  readonly keys?: string;
  readonly run: () => void;
}

/** More would be a list to read, not one to choose from. */
export const MOST_FOUND = 12;

function score(command: Command, words: readonly string[]): number {
  const label = command.label.toLowerCase();
  const detail = command.detail.toLowerCase();
  let total = 0;
  for (const word of words) {
    const at = label.indexOf(word);
    if (at === 0) {
      total += 4;
    } else if (at > 0) {
      total += /\W/.test(label[at - 1] ?? "") ? 3 : 2;
    } else if (detail.includes(word)) {
      total += 1;
    } else {
      return -1;
    }
  }
  return total;
}

/** Commands that contain every word, the best first; without words, those that are no channel or node. */
export function findCommands(commands: readonly Command[], query: string): readonly Command[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) {
    return commands.filter(({ group }) => group === "place" || group === "action").slice(0, MOST_FOUND);
  }
  return commands
    .map((command) => ({ command, points: score(command, words) }))
    .filter(({ points }) => points >= 0)
    .toSorted((left, right) => right.points - left.points)
    .slice(0, MOST_FOUND)
    .map(({ command }) => command);
}

/** The theme's colours for what is drawn on a canvas, read from the style sheet. */

export interface Palette {
  readonly surface: string;
  readonly ink: string;
  readonly inkSoft: string;
  readonly local: string;
  readonly remote: string;
  readonly unsettled: string;
  readonly node: string;
  readonly accent: string;
  readonly success: string;
  readonly warning: string;
  readonly failure: string;
  readonly line: string;
}

const VARIABLES: Readonly<Record<keyof Palette, string>> = {
  surface: "--color-surface",
  ink: "--color-ink",
  inkSoft: "--color-ink-2",
  local: "--color-local",
  remote: "--color-remote",
  unsettled: "--color-unsettled",
  node: "--color-node",
  accent: "--color-accent",
  success: "--color-success",
  warning: "--color-warning",
  failure: "--color-failure",
  line: "--color-line",
};

export function readPalette(element: HTMLElement): Palette {
  const style = getComputedStyle(element);
  const colour = (key: keyof Palette) => style.getPropertyValue(VARIABLES[key]).trim();
  return {
    surface: colour("surface"),
    ink: colour("ink"),
    inkSoft: colour("inkSoft"),
    local: colour("local"),
    remote: colour("remote"),
    unsettled: colour("unsettled"),
    node: colour("node"),
    accent: colour("accent"),
    success: colour("success"),
    warning: colour("warning"),
    failure: colour("failure"),
    line: colour("line"),
  };
}

function parts(hex: string): readonly number[] {
  return [1, 3, 5].map((start) => Number.parseInt(hex.slice(start, start + 2), 16));
}

/** A hexadecimal colour with an opacity, as sigma and canvas understand it. */
export function withAlpha(hex: string, alpha: number): string {
  return `rgba(${parts(hex).join(", ")}, ${alpha})`;
}

/** An opaque colour between two: sigma draws translucent nodes brighter than they are. */
export function mixed(hex: string, background: string, share: number): string {
  const below = parts(background);
  const above = parts(hex);
  return `rgb(${above.map((value, index) => Math.round(value * share + (below[index] ?? 0) * (1 - share))).join(", ")})`;
}

/** How the graph is drawn: the theme, and whether space is as short as on a phone. */
export interface Look {
  readonly palette: Palette;
  readonly isCompact: boolean;
}

const COMPACT_BELOW_PX = 480;

export function lookOf(element: HTMLElement): Look {
  return { palette: readPalette(element), isCompact: element.clientWidth < COMPACT_BELOW_PX };
}

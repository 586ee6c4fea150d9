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
    failure: colour("failure"),
    line: colour("line"),
  };
}

/** A hexadecimal colour with an opacity, as sigma and canvas understand it. */
export function withAlpha(hex: string, alpha: number): string {
  const channel = (start: number) => Number.parseInt(hex.slice(start, start + 2), 16);
  return `rgba(${channel(1)}, ${channel(3)}, ${channel(5)}, ${alpha})`;
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

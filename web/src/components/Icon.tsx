import type { Place } from "../state/route";

/** Outlines on a 20 px grid, one for each place, and the bell. */
const PATHS: Readonly<Record<Place | "bell", string>> = {
  overview: "M3 3h6v8H3zM11 3h6v5h-6zM3 13h6v4H3zM11 10h6v7h-6z",
  channels: "M3 6h14M3 10h14M3 14h14M8 4v4M12 8v4M6 12v4",
  missed: "M10 3a7 7 0 1 0 7 7M10 6v4l3 2M13 3l4 4M17 3l-4 4",
  fees: "M3 15l4-5 4 3 6-8M13 5h4v4",
  rebalance: "M4 8h11l-3-3M16 12H5l3 3",
  simulator: "M7 4l9 6-9 6z",
  network:
    "M10 4a1.5 1.5 0 1 0 .01 0M4 14a1.5 1.5 0 1 0 .01 0M16 14a1.5 1.5 0 1 0 .01 0M9 7l-4 7M11 7l4 7M6 15.500h8",
  bell: "M10 3a4 4 0 0 1 4 4c0 4 2 5 2 6H4c0-1 2-2 2-6a4 4 0 0 1 4-4zM8.500 15.500a1.500 1.500 0 0 0 3 0",
};

export function Icon({ name }: { readonly name: keyof typeof PATHS }) {
  return (
    <svg
      width="20"
      height="20"
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinejoin="round"
      strokeLinecap="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

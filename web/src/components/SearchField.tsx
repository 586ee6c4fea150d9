interface SearchFieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  /** Whether `/` goes here; the first such field of a place wins. */
  readonly isMain?: boolean;
}

export function SearchField({ label, value, onChange, isMain = true }: SearchFieldProps) {
  return (
    <input
      type="search"
      aria-label={label}
      placeholder={isMain ? "search   /" : "search"}
      {...(isMain ? { "data-search": "" } : {})}
      className="w-48 max-w-full rounded-sm border border-line bg-ground px-2 text-12 leading-6 placeholder:text-ink-3"
      value={value}
      onChange={(event) => onChange(event.target.value)}
      onKeyDown={(event) => {
        if (event.key === "Escape") {
          onChange("");
          event.currentTarget.blur();
        }
      }}
    />
  );
}

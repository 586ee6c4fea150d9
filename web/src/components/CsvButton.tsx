import { type Cell, saveCsv } from "../lib/csv";
import { Button } from "./Button";

interface CsvButtonProps {
  readonly name: string;
  readonly head: readonly string[];
  readonly rows: () => readonly (readonly Cell[])[];
}

/** Saves the rows of a table as they are listed; amounts in their smallest unit, whatever is shown. */
export function CsvButton({ name, head, rows }: CsvButtonProps) {
  return (
    <Button
      label={`Save ${name} as CSV`}
      title="Save the listed rows as a CSV file"
      onClick={() => saveCsv(`lightninglens-${name}`, head, rows())}
    >
      CSV
    </Button>
  );
}

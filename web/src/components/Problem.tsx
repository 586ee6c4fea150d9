import type { ServiceProblem } from "../api/client";

/** What the service refused or could not do, in place. */
export function Problem({ problem }: { readonly problem: ServiceProblem | null }) {
  return (
    <div role="alert" className="wrap-anywhere">
      {problem !== null && (
        <p className="my-1 text-12">
          <span className="text-failure">✕ {problem.message}.</span>{" "}
          {problem.whatToDo !== "" && <span className="text-ink-2">{problem.whatToDo}.</span>}
        </p>
      )}
    </div>
  );
}

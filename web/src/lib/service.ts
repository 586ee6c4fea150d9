/** Hooks that ask the service, or order something of it. */

import { useCallback, useEffect, useRef, useState } from "react";
import { type Query, queryText, ServiceProblem } from "../api/client";
import { useStores } from "../state/context";
import { Cancelled } from "../state/token";

export interface Resource<T> {
  readonly value: T | null;
  readonly problem: ServiceProblem | null;
  readonly reload: () => void;
}

function asProblem(error: unknown): ServiceProblem {
  return error instanceof ServiceProblem
    ? error
    : new ServiceProblem(0, "the service answered what this page cannot read", "reload the page");
}

/**
 * Something that is read once, again whenever `version` changes, and every `everyMs` while the page
 * is seen. A null path reads nothing. The last value stays while a newer one is under way.
 */
export function useResource<T>(
  path: string | null,
  query: Query = {},
  options: { readonly version?: unknown; readonly everyMs?: number } = {},
): Resource<T> {
  const { client } = useStores();
  const [answer, setAnswer] = useState<{ key: string; value: T | null; problem: ServiceProblem | null }>({
    key: "",
    value: null,
    problem: null,
  });
  const [asked, setAsked] = useState(0);
  const key = path === null ? "" : path + queryText(query);
  const { version, everyMs = 0 } = options;

  // biome-ignore lint/correctness/useExhaustiveDependencies: `version` and `asked` ask for the same again
  useEffect(() => {
    if (key === "") {
      return;
    }
    const abort = new AbortController();
    const ask = () => {
      client.read<T>(key, {}, abort.signal).then(
        (value) => setAnswer({ key, value, problem: null }),
        (error: unknown) => {
          if (!abort.signal.aborted) {
            setAnswer((last) => ({
              key,
              value: last.key === key ? last.value : null,
              problem: asProblem(error),
            }));
          }
        },
      );
    };
    ask();
    const timer =
      everyMs > 0
        ? window.setInterval(() => document.visibilityState === "visible" && ask(), everyMs)
        : undefined;
    return () => {
      abort.abort();
      window.clearInterval(timer);
    };
  }, [client, key, version, everyMs, asked]);

  const reload = useCallback(() => setAsked((count) => count + 1), []);
  const isCurrent = answer.key === key;
  return { value: isCurrent ? answer.value : null, problem: isCurrent ? answer.problem : null, reload };
}

export interface Order<T> {
  readonly isBusy: boolean;
  readonly problem: ServiceProblem | null;
  /** Resolves with null when the reader gave no token or the service refused; the problem says why. */
  readonly send: (method: "POST" | "PATCH", path: string, body: unknown, what: string) => Promise<T | null>;
}

/** An order to the service, with its state; `what` is said when the token is asked for. */
export function useOrder<T>(): Order<T> {
  const { client } = useStores();
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ServiceProblem | null>(null);
  const isMounted = useRef(true);
  useEffect(() => {
    isMounted.current = true;
    return () => {
      isMounted.current = false;
    };
  }, []);
  const send = useCallback(
    async (method: "POST" | "PATCH", path: string, body: unknown, what: string): Promise<T | null> => {
      setBusy(true);
      setProblem(null);
      try {
        return await client.order<T>(method, path, body, what);
      } catch (error) {
        if (!(error instanceof Cancelled) && isMounted.current) {
          setProblem(asProblem(error));
        }
        return null;
      } finally {
        if (isMounted.current) {
          setBusy(false);
        }
      }
    },
    [client],
  );
  return { isBusy, problem, send };
}

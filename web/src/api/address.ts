/**
 * Where the service is: it served this page itself, or the page comes from another web server.
 *
 * Another web server names the service in `<meta name="lightninglens-service" content="https://…">`.
 * Without that, `?service=` may name one, on this machine only: a link must not be able to make the
 * page ask for a token and send it elsewhere.
 */

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

export interface Address {
  /** Origin of the service, such as `http://127.0.0.1:3000`. */
  readonly origin: string;
  readonly isElsewhere: boolean;
  /** What is wrong with the address that was given; empty if nothing is. */
  readonly problem: string;
}

function originOf(text: string): URL | null {
  try {
    const url = new URL(text);
    return url.protocol === "http:" || url.protocol === "https:" ? url : null;
  } catch {
    return null;
  }
}

/** Decide where the service is from the page's own origin, its meta tag and its query. */
export function serviceAddress(pageOrigin: string, meta: string | null, query: string): Address {
  const own = { origin: pageOrigin, isElsewhere: false, problem: "" };
  const written = meta?.trim() ?? "";
  const asked = new URLSearchParams(query).get("service") ?? "";
  const text = written || asked;
  if (text === "") {
    return own;
  }
  const url = originOf(text);
  if (url === null) {
    return {
      ...own,
      problem: `“${text}” is not the address of a service; it must begin with http:// or https://`,
    };
  }
  if (written === "" && !LOOPBACK.has(url.hostname)) {
    return {
      ...own,
      problem: `?service= may only name this machine, not ${url.hostname}; name it in the page's meta tag instead`,
    };
  }
  return { origin: url.origin, isElsewhere: url.origin !== pageOrigin, problem: "" };
}

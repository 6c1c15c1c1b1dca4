// The way to the database: its functions, called through PostgREST as the user of the caller's token.
import { CODES, isCode, Problem } from "./problems.ts";
import type { Settings } from "./settings.ts";

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;
export type Json = Record<string, unknown>;
/** One call of a function of the database; `p_` is put before the names of its arguments. */
export type Call = (name: string, values?: Json) => Promise<Json>;

export interface Database {
  /** Its answer, whatever it says. */
  ask: Call;
  /** Its answer, or the refusal that it is. */
  call: Call;
}

const TIMEOUT_MS = 20_000;
const TRIES = 3;
const PAUSE_MS = 50;
/** A lock that was not had, a deadlock, a snapshot that is too old: the same call may succeed. */
const BUSY = new Set(["55P03", "40P01", "40001"]);
/** A value that Postgres cannot store, or not as that type. */
const UNSTORABLE = new Set(["22P05", "22021", "22P02", "22003", "validation_failed"]);

export function databaseOf(settings: Settings, token: string, requestId: string, fetch: Fetch): Database {
  const ask: Call = async (name, values = {}) => {
    for (let left = TRIES - 1;; left--) {
      const { status, body } = await send(settings, token, requestId, fetch, name, values);
      if (status < 400 && isObject(body)) return body;
      const problem = problemOf(`${requestId}: ${name}`, status, body);
      if (problem.code !== "busy" || left === 0) throw problem;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * (1 + Math.random())));
    }
  };
  const call: Call = async (name, values) => {
    const body = await ask(name, values);
    if (body.ok === false) throw refused(body);
    return body;
  };
  return { ask, call };
}

async function send(settings: Settings, token: string, requestId: string, fetch: Fetch, name: string, values: Json) {
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  try {
    const response = await fetch(`${settings.url}/rest/v1/rpc/${name}`, {
      method: "POST",
      headers: {
        apikey: settings.key,
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        "x-request-id": requestId,
      },
      body: JSON.stringify(Object.fromEntries(given.map(([key, value]) => [`p_${key}`, value]))),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    return { status: response.status, body: parsed(text) };
  } catch (error) {
    console.error(`${requestId}: ${name} failed: ${error instanceof Error ? error.message : String(error)}`);
    throw unreachable();
  }
}

function problemOf(asked: string, status: number, body: unknown): Problem {
  const error = isObject(body) ? body : {};
  const message = typeof error.message === "string" ? error.message : "";
  const hint = typeof error.hint === "string" ? error.hint : "";
  const code = String(error.code ?? "");
  if (isCode(error.details) && CODES[error.details] === status) return new Problem(error.details, message, hint);
  if (status === 401 || code === "42501") {
    return new Problem(
      "not_authenticated",
      "cannot answer: the token is not that of a signed-in user",
      "Sign in again.",
    );
  }
  if (BUSY.has(code)) {
    return new Problem("busy", "cannot answer: the room is busy", "Call again in a moment.", {}, 1);
  }
  if (UNSTORABLE.has(code)) {
    return new Problem("invalid_argument", "cannot answer: a value cannot be stored", "Change it and call again.");
  }
  console.error(`${asked} answered ${status}: ${JSON.stringify(body).slice(0, 200)}`);
  if (code === "PGRST202") {
    return new Problem(
      "not_configured",
      "cannot answer: the database lacks a function of spaces-sdk",
      "Apply its migrations: supabase db push.",
    );
  }
  return unreachable();
}

/** The database answers what it counts instead of raising it: an exception would undo the count. */
export function refused(body: Json, headers: Record<string, string> = {}): Problem {
  const code = isCode(body.code) ? body.code : "internal_error";
  const wait = typeof body.retry_after_s === "number" ? body.retry_after_s : undefined;
  return new Problem(code, String(body.message ?? "cannot answer"), String(body.hint ?? ""), headers, wait);
}

function unreachable(): Problem {
  const hint = "Read first whether it happened, then call again.";
  return new Problem("upstream_failed", "cannot answer: the database did not answer as it should", hint);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text.slice(0, 200);
  }
}

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

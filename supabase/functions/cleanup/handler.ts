// The handler, with its environment and its way to the database as arguments. No imports: nothing to pin or to resolve.

export type Environment = (name: string) => string | undefined;
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** What one batch answers; see `cleanup_inactive_rooms` in the migrations. */
interface Batch {
  rooms_deleted: number;
  messages_deleted: number;
  has_more: boolean;
}

interface Settings {
  url: string;
  key: string;
  secret: string;
}

const MIN_SECRET_LENGTH = 32;
/** At most 20 rooms or 20,000 messages each. The rest is for the next run: a function may take 150 s on the Free plan. */
const MAX_BATCHES = 25;
const MAX_SECONDS = 60;
const BATCH_TIMEOUT_MS = 30_000;

export function makeHandler(
  environment: Environment,
  callDatabase: Fetch,
  now: () => number = Date.now,
): (request: Request) => Promise<Response> {
  return async (request) => {
    if (request.method !== "POST") {
      return refusal(405, "method_not_allowed", "cannot clean up: only POST is answered", "Send POST.", {
        allow: "POST",
      });
    }
    const settings = readSettings(environment);
    if (typeof settings === "string") {
      console.error(settings);
      return refusal(
        500,
        "not_configured",
        "cannot clean up: the function is not set up",
        "Its log says what is missing.",
      );
    }
    if (!(await isSecret(bearerOf(request), settings.secret))) {
      return refusal(
        401,
        "not_authenticated",
        "cannot clean up: the secret is missing or wrong",
        "Send Authorization: Bearer with CLEANUP_SECRET.",
        { "www-authenticate": "Bearer" },
      );
    }
    return await cleanUp(settings, callDatabase, now);
  };
}

async function cleanUp(settings: Settings, callDatabase: Fetch, now: () => number): Promise<Response> {
  const until = now() + MAX_SECONDS * 1000;
  const done = { roomsDeleted: 0, messagesDeleted: 0, batches: 0, hasMore: true };
  while (done.hasMore && done.batches < MAX_BATCHES && now() < until) {
    const batch = await runBatch(settings, callDatabase);
    if (typeof batch === "string") {
      console.error(batch);
      return refusal(
        502,
        "upstream_failed",
        "cannot clean up: the database did not answer as it should",
        "Try again.",
      );
    }
    done.roomsDeleted += batch.rooms_deleted;
    done.messagesDeleted += batch.messages_deleted;
    done.hasMore = batch.has_more;
    done.batches += 1;
  }
  return answer(200, { success: true, ...done });
}

/** One batch, or why there is none. */
async function runBatch(settings: Settings, callDatabase: Fetch): Promise<Batch | string> {
  const headers: Record<string, string> = { apikey: settings.key, "content-type": "application/json" };
  if (settings.key.startsWith("eyJ")) {
    headers.authorization = `Bearer ${settings.key}`; // a key of the older kind is a token as well
  }
  try {
    const response = await callDatabase(`${settings.url}/rest/v1/rpc/cleanup_inactive_rooms`, {
      method: "POST",
      headers,
      body: "{}",
      signal: AbortSignal.timeout(BATCH_TIMEOUT_MS),
    });
    const text = await response.text();
    if (!response.ok) return `cleanup_inactive_rooms answered ${response.status}: ${text.slice(0, 200)}`;
    const batch: unknown = JSON.parse(text);
    return isBatch(batch) ? batch : `cleanup_inactive_rooms answered ${text.slice(0, 200)}`;
  } catch (error) {
    return `cleanup_inactive_rooms failed: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function isBatch(value: unknown): value is Batch {
  if (typeof value !== "object" || value === null) return false;
  const fields = value as Record<string, unknown>;
  return typeof fields.rooms_deleted === "number" && typeof fields.messages_deleted === "number" &&
    typeof fields.has_more === "boolean";
}

/** The settings, or what is wrong with them. */
function readSettings(environment: Environment): Settings | string {
  const secret = environment("CLEANUP_SECRET") ?? "";
  if (secret.length < MIN_SECRET_LENGTH) {
    return `CLEANUP_SECRET is missing or shorter than ${MIN_SECRET_LENGTH} characters`;
  }
  const url = environment("SUPABASE_URL");
  const key = secretKey(environment);
  if (!url || !key) return "SUPABASE_URL or the secret key is missing";
  return { url: url.replace(/\/+$/, ""), key, secret };
}

/** Hosted functions have SUPABASE_SECRET_KEYS, a JSON object of names and keys; older ones the service role key. */
function secretKey(environment: Environment): string | undefined {
  const keys = environment("SUPABASE_SECRET_KEYS");
  if (keys) {
    try {
      const named = JSON.parse(keys) as Record<string, unknown>;
      const key = named.default ?? Object.values(named)[0];
      if (typeof key === "string" && key) return key;
    } catch {
      console.error("SUPABASE_SECRET_KEYS is no JSON");
    }
  }
  return environment("SUPABASE_SECRET_KEY") ?? environment("SUPABASE_SERVICE_ROLE_KEY");
}

function bearerOf(request: Request): string {
  return /^Bearer +(.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
}

/** Compares hashes, all bytes of them: the time it takes tells nothing about the secret, nor about its length. */
async function isSecret(given: string, secret: string): Promise<boolean> {
  const [left, right] = await Promise.all([digest(given), digest(secret)]);
  let difference = 0;
  for (let index = 0; index < left.length; index++) difference |= (left[index] ?? 0) ^ (right[index] ?? 0);
  return difference === 0;
}

async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

function refusal(
  status: number,
  code: string,
  message: string,
  hint: string,
  headers: Record<string, string> = {},
): Response {
  return answer(status, { success: false, error: { code, message, hint } }, headers);
}

function answer(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return Response.json(body, { status, headers: { "cache-control": "no-store", ...headers } });
}

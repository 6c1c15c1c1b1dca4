// The handler: where a request goes, who asks, and how what comes of it is told.
import { type Context, Hono } from "hono";
import { corsHeaders, preflight } from "./cors.ts";
import { databaseOf, type Fetch } from "./database.ts";
import { type Answer, type Endpoint, ENDPOINTS } from "./endpoints.ts";
import { countRequest } from "./limit.ts";
import { openApi } from "./openapi.ts";
import { Problem } from "./problems.ts";
import { type Environment, readOrigins, readSettings } from "./settings.ts";
import { isHeld } from "./shapes.ts";

type Bindings = { requestId: string };
type Log = (line: string) => void;

const REQUEST_ID = /^[\w.:-]{1,64}$/;
/** A function is reached under its own name; the seed's prefix may stand behind it, or in its place. */
const PREFIX = /^(?:\/functions\/v1)?(?:\/rooms)?(?:\/api\/rooms)?(?=\/|$)/;

export function makeHandler(
  environment: Environment,
  fetch: Fetch,
  log: Log = console.log,
): (request: Request) => Promise<Response> {
  const app = makeApp(environment, fetch);
  const origins = readOrigins(environment);
  return async (request) => {
    const startedAt = performance.now();
    const given = request.headers.get("x-request-id") ?? "";
    const requestId = REQUEST_ID.test(given) ? given : crypto.randomUUID();
    const answered = await app.fetch(request, { requestId });
    const response = new Response(answered.body, answered);
    response.headers.set("x-request-id", requestId);
    response.headers.set("x-content-type-options", "nosniff");
    const cors = corsHeaders(request.headers.get("origin"), origins);
    for (const [name, value] of Object.entries(cors)) response.headers.append(name, value);
    const path = placeOf(request).replace(/^\/code\/.*/s, "/code/…").slice(0, 200); // a code opens a room: not for logs
    const ms = Math.round(performance.now() - startedAt);
    log(JSON.stringify({ requestId, method: request.method, path, status: response.status, ms }));
    return response;
  };
}

function makeApp(environment: Environment, fetch: Fetch): Hono<{ Bindings: Bindings }> {
  const app = new Hono<{ Bindings: Bindings }>({ getPath: placeOf });
  // Before `/:roomId`, which it would be otherwise. It tells nothing of any room, so it asks for no token.
  app.get("/openapi.json", () => {
    const { url } = readSettings(environment);
    return Response.json(openApi(url), { headers: { "cache-control": "public, max-age=300" } });
  });
  refuseOtherMethods(app, "/openapi.json", ["GET"]);
  for (const path of new Set(ENDPOINTS.map((endpoint) => endpoint.path))) {
    const there = ENDPOINTS.filter((endpoint) => endpoint.path === path);
    for (const endpoint of there) {
      app.on(endpoint.method, path, (context) => serve(endpoint, context, environment, fetch));
    }
    refuseOtherMethods(app, path, there.map((endpoint) => endpoint.method));
  }
  app.notFound(() => new Problem("not_found", "cannot answer: nothing is served here", "See openapi.json.").response());
  app.onError((error, context) => {
    if (error instanceof Problem) return error.response();
    console.error(`${context.env.requestId}: ${error.stack ?? error.message}`);
    return new Problem("internal_error", "cannot answer: the function failed", "Its log says why.").response();
  });
  return app;
}

function refuseOtherMethods(app: Hono<{ Bindings: Bindings }>, path: string, methods: string[]): void {
  const allow = [...methods, ...(methods.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
  app.options(path, () => preflight(allow));
  app.all(path, (context) => {
    const message = `cannot ${context.req.method} this: it answers ${allow}`;
    return new Problem("method_not_allowed", message, "See openapi.json beside it.", { allow }).response();
  });
}

async function serve(
  endpoint: Endpoint,
  context: Context<{ Bindings: Bindings }>,
  environment: Environment,
  fetch: Fetch,
): Promise<Response> {
  const request = context.req.raw;
  const settings = readSettings(environment);
  const database = databaseOf(settings, bearerOf(request), context.env.requestId, fetch);
  const limit = await countRequest(database);
  try {
    const answer = await endpoint.handle({
      request,
      query: new URL(request.url).searchParams,
      parameter: (name) => context.req.param(name),
      call: database.call,
      joinBaseUrl: settings.joinBaseUrl,
    });
    return responseOf(answer, limit, request);
  } catch (error) {
    if (error instanceof Problem) Object.assign(error.headers, limit);
    throw error;
  }
}

function responseOf(answer: Answer, limit: Record<string, string>, request: Request): Response {
  const headers = new Headers(limit);
  if (answer.location !== undefined) headers.set("location", answer.location);
  if (answer.tag === undefined) {
    headers.set("cache-control", "no-store");
  } else {
    headers.set("cache-control", "private, no-cache");
    headers.set("etag", answer.tag);
    headers.set("vary", "authorization");
    if (isHeld(request.headers.get("if-none-match"), answer.tag)) return new Response(null, { status: 304, headers });
  }
  return Response.json({ success: true, ...answer.body }, { status: answer.status ?? 200, headers });
}

/** The token of a user. A key of the kind `sb_…` stands for no user; whether it is signed and in time, the database's API says. */
function bearerOf(request: Request): string {
  const token = /^Bearer +([\w-]+\.[\w-]+\.[\w-]*)$/i.exec((request.headers.get("authorization") ?? "").trim())?.[1];
  if (token === undefined) {
    throw new Problem(
      "not_authenticated",
      "cannot answer: the token of a signed-in user is missing",
      "Send Authorization: Bearer with the access token of a session.",
    );
  }
  return token;
}

export function placeOf(request: Request): string {
  const place = new URL(request.url).pathname.replace(PREFIX, "").replace(/\/$/, "");
  return place === "" ? "/" : place;
}

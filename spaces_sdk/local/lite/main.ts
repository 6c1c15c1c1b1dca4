// REST and Auth of the local stack: Supabase Lite over Postgres, with what it lacks beside hosted Supabase.
import { App, getAuthSchemaSql } from "@supabase/lite";
import { AdminUsers, errorJson } from "./admin.ts";
import { isAnonymousSignup, signUpAnonymously } from "./anonymous.ts";
import { connectLite, connectSql } from "./database.ts";
import { readSettings, type Settings } from "./settings.ts";
import { quoteJsonText } from "./rpc_arguments.ts";
import { serveSchema } from "./schema.ts";
import { Tokens } from "./tokens.ts";
import { Turns } from "./turns.ts";

// Development accounts: a costly hash would only make every sign-in block this one thread.
const HASH_COST = Number(Deno.env.get("LITE_AUTH_BCRYPT_COST") ?? "6");
const UNSTORABLE = new Set(["22P05", "22021"]); // NUL in JSON, and in text
const MAX_BODY_BYTES = 10 * 1024 * 1024;

/**
 * An App for one service. REST and Auth have one each because they log in to Postgres as different roles, as hosted: the
 * one may become the caller's role and sees nothing of the accounts, the other owns the accounts and nothing else.
 */
function makeApp(settings: Settings, connection: ReturnType<typeof connectLite>, server: Record<string, unknown>) {
  const config = {
    connection,
    api: { schemas: ["public"], max_rows: 1000 },
    db: { migrations: { enabled: false } },
    auth: {
      enabled: server.middlewares === undefined,
      jwt_secret: settings.jwt_secret,
      jwt_expiry: settings.jwt_expiry_s,
      publishable_key: settings.publishable_key,
      secret_key: settings.secret_key,
      site_url: settings.public_url,
      email: { enable_signup: true, enable_confirmations: false },
    },
    options: { server: { admin: false, disableStudio: true, ...server } },
  };
  return new App(config as unknown as ConstructorParameters<typeof App>[0]);
}

// Lite looks the user of each request up, REST requests too; PostgREST does not, and its role may not.
type Context = { set(name: string, value: unknown): void };
const noLookup = async (context: Context, next: () => Promise<void>) => {
  context.set("authService", { repo: { findUserById: () => Promise.resolve(null) } });
  await next();
};

const settings = await readSettings();
const tokens = new Tokens(settings);
const sql = connectSql(settings.auth_db_url);
const refreshes = new Turns();
const admin = new AdminUsers(sql, settings, HASH_COST);
const rest = makeApp(settings, connectLite(settings.rest_db_url, 10), {
  middlewares: [noLookup],
});
const auth = makeApp(settings, connectLite(settings.auth_db_url, 4), {});
// Lite's own set-up would also put its versions of auth.uid() and the like in the place of the hosted ones.
await sql.unsafe(getAuthSchemaSql());
await Promise.all([rest.init(), auth.init()]);
const schema = await serveSchema(settings, rest.connection, sql);

async function serveAuth(request: Request, url: URL): Promise<Response> {
  if (admin.handles(url.pathname)) return await admin.fetch(request, url);
  if (url.pathname === "/auth/v1/signup" && request.method === "POST") {
    const body = await request.clone().json().catch(() => null);
    if (body !== null && typeof body === "object" && isAnonymousSignup(body)) {
      return await signUpAnonymously(sql, tokens, settings, body.data);
    }
  }
  if (url.pathname === "/auth/v1/token" && request.method === "POST") {
    const body = await request.clone().json().catch(() => null);
    if (typeof body?.refresh_token === "string") {
      // Lite looks whether a token is used, and marks it later: two at once make two heirs of one token, and whoever comes
      // with it a third time is told that it was stolen. Hosted Auth locks its row.
      return await refreshes.take(body.refresh_token, async () => tokens.complete(sql, await auth.fetch(request)));
    }
  }
  return await tokens.complete(sql, await auth.fetch(request));
}

Deno.serve({
  hostname: "127.0.0.1",
  port: settings.port,
  onListen: ({ port }) => console.log(`listening on 127.0.0.1:${port}`),
  onError: (error) => {
    if (UNSTORABLE.has((error as { code?: string }).code ?? "")) {
      return errorJson(400, "validation_failed", "a text holds a character that the database cannot store");
    }
    console.error(error);
    return errorJson(500, "unexpected_failure", "Internal Server Error");
  },
}, async (request) => {
  const url = new URL(request.url);
  if (Number(request.headers.get("content-length") ?? 0) > MAX_BODY_BYTES) {
    return errorJson(413, "request_too_large", "request body too large");
  }
  if (url.pathname === "/ready") return Response.json({ ready: true });
  if (url.pathname.startsWith("/auth/v1/")) return await serveAuth(request, url);
  if (url.pathname.startsWith("/rest/v1")) return await rest.fetch(await quoteJsonText(request, url, schema));
  return errorJson(404, "not_found", `nothing is served at ${url.pathname}`);
});

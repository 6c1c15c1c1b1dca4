// The part of Auth's admin API that makes, shows, changes and deletes users, over the tables of Supabase Lite.
import bcrypt from "bcryptjs";
import { jwtVerify } from "jose";
import type { Sql } from "./database.ts";
import type { Settings } from "./settings.ts";
import { findUser, listUsers, userJson } from "./users.ts";

type Body = Record<string, unknown>;

const PREFIX = "/auth/v1/admin/users";
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const EMAIL = /^[^@\s]+@[^@\s]+$/;
const MIN_PASSWORD = 6;
const MAX_PASSWORD_BYTES = 72; // bcrypt reads no more
const MAX_BAN_S = 9_000_000_000; // GoTrue's: Go counts a duration in nanoseconds in 64 bits
const MAX_PAGE = 1_000_000;
const UNIQUE_VIOLATION = "23505";

class AdminError extends Error {
  constructor(readonly status: number, readonly code: string, message: string) {
    super(message);
  }
}

export class AdminUsers {
  constructor(readonly sql: Sql, readonly settings: Settings, readonly hashCost: number) {}

  handles(path: string): boolean {
    return path === PREFIX || path.startsWith(`${PREFIX}/`);
  }

  async fetch(request: Request, url: URL): Promise<Response> {
    try {
      await this.#authorize(request);
      const id = url.pathname.slice(PREFIX.length + 1);
      if (id && !UUID.test(id)) throw new AdminError(404, "validation_failed", "user_id must be an UUID");
      switch (`${request.method} ${id ? "one" : "all"}`) {
        case "POST all":
          return await this.#create(await readBody(request));
        case "GET all":
          return await this.#list(url);
        case "GET one":
          return Response.json(await this.#get(id));
        case "PUT one":
          return await this.#update(id, await readBody(request));
        case "DELETE one":
          return await this.#delete(id);
      }
      throw new AdminError(405, "unexpected_failure", `${request.method} is not allowed here`);
    } catch (error) {
      if (error instanceof AdminError) return errorJson(error.status, error.code, error.message);
      if ((error as { code?: string }).code === UNIQUE_VIOLATION) {
        return errorJson(422, "email_exists", "A user with this email address has already been registered");
      }
      throw error;
    }
  }

  /** As hosted: a JWT decides by its role; without one the key does. */
  async #authorize(request: Request): Promise<void> {
    const bearer = request.headers.get("authorization")?.replace(/^Bearer\s+/i, "") ?? "";
    if (bearer.split(".").length === 3) {
      const key = new TextEncoder().encode(this.settings.jwt_secret);
      const claims = await jwtVerify(bearer, key, { algorithms: ["HS256"] }).catch(() => {
        throw new AdminError(403, "bad_jwt", "invalid JWT: unable to parse or verify signature");
      });
      if (claims.payload.role === "service_role") return;
    } else if (request.headers.get("apikey") === this.settings.secret_key) {
      return;
    }
    throw new AdminError(403, "not_admin", "User not allowed");
  }

  async #create(body: Body): Promise<Response> {
    const id = typeof body.id === "string" && UUID.test(body.id) ? body.id : crypto.randomUUID();
    const email = readEmail(body.email);
    const phone = typeof body.phone === "string" && body.phone ? body.phone : null;
    if (email === null && phone === null) {
      throw new AdminError(400, "validation_failed", "Cannot create a user without either an email or phone");
    }
    const hash = body.password ? await this.#hash(body.password) : null;
    const provider = email === null ? "phone" : "email";
    const appMetadata = { provider, providers: [provider], ...(body.app_metadata as Body ?? {}) };
    const userMetadata = { ...(body.user_metadata as Body ?? {}) };
    const verified = { email_verified: body.email_confirm === true, phone_verified: body.phone_confirm === true };
    const identity = email === null ? { sub: id, phone, ...verified } : { sub: id, email, ...verified };
    await this.sql.begin(async (tx) => {
      await tx`
        insert into auth.users (id, aud, role, email, phone, encrypted_password, email_confirmed_at, phone_confirmed_at,
                                raw_app_meta_data, raw_user_meta_data, created_at, updated_at)
        values (${id}, 'authenticated', ${String(body.role ?? "authenticated")}, ${email}, ${phone}, ${hash},
                case when ${body.email_confirm === true} then now() end,
                case when ${body.phone_confirm === true} then now() end,
                ${tx.json(appMetadata as never)}, ${tx.json({ ...userMetadata, ...verified } as never)}, now(), now())`;
      await tx`
        insert into auth.identities (id, provider, provider_id, user_id, identity_data, created_at, updated_at)
        values (${crypto.randomUUID()}, ${provider}, ${id}, ${id}, ${tx.json(identity as never)}, now(), now())`;
    });
    return Response.json(await this.#get(id));
  }

  async #update(id: string, body: Body): Promise<Response> {
    const before = await findUser(this.sql, id);
    if (before === null) throw notFound();
    const email = body.email === undefined ? before.email : readEmail(body.email);
    const hash = body.password ? await this.#hash(body.password) : null;
    const appMetadata = { ...before.raw_app_meta_data, ...(body.app_metadata as Body ?? {}) };
    const userMetadata = { ...before.raw_user_meta_data, ...(body.user_metadata as Body ?? {}) };
    await this.sql`
      update auth.users
      set email = ${email},
          encrypted_password = coalesce(${hash}, encrypted_password),
          email_confirmed_at = case when ${body.email_confirm === true} then coalesce(email_confirmed_at, now())
                                    else email_confirmed_at end,
          raw_app_meta_data = ${this.sql.json(withoutNulls(appMetadata) as never)},
          raw_user_meta_data = ${this.sql.json(withoutNulls(userMetadata) as never)},
          phone = ${typeof body.phone === "string" ? body.phone || null : before.phone},
          banned_until = ${bannedUntil(body.ban_duration, before.banned_until)},
          role = ${String(body.role ?? before.role ?? "authenticated")},
          is_anonymous = is_anonymous and ${email === null},
          updated_at = now()
      where id = ${id}`;
    return Response.json(await this.#get(id));
  }

  async #delete(id: string): Promise<Response> {
    const gone = await this.sql.begin(async (tx) => {
      await tx`delete from auth.refresh_tokens where user_id = ${id}`; // the one table without a cascade
      return await tx`delete from auth.users where id = ${id} returning id`;
    });
    if (gone.length === 0) throw notFound();
    return Response.json({});
  }

  async #list(url: URL): Promise<Response> {
    const page = Math.min(positive(url.searchParams.get("page"), 1), MAX_PAGE);
    const perPage = Math.min(positive(url.searchParams.get("per_page"), 50), 1000);
    const { users, total } = await listUsers(this.sql, perPage, (page - 1) * perPage);
    const answer = { users: users.map(userJson), aud: "authenticated" };
    return Response.json(answer, { headers: { "x-total-count": String(total) } });
  }

  async #get(id: string) {
    const row = await findUser(this.sql, id);
    if (row === null) throw notFound();
    return userJson(row);
  }

  async #hash(password: unknown): Promise<string> {
    if (typeof password !== "string" || password.length < MIN_PASSWORD) {
      throw new AdminError(422, "weak_password", `Password should be at least ${MIN_PASSWORD} characters.`);
    }
    if (new TextEncoder().encode(password).length > MAX_PASSWORD_BYTES) {
      throw new AdminError(
        400,
        "validation_failed",
        `Password cannot be longer than ${MAX_PASSWORD_BYTES} characters`,
      );
    }
    return await bcrypt.hash(password, this.hashCost);
  }
}

function readEmail(value: unknown): string | null {
  if (value === undefined || value === null || value === "") return null;
  if (typeof value !== "string" || !EMAIL.test(value)) {
    throw new AdminError(400, "validation_failed", "Unable to validate email address: invalid format");
  }
  return value.toLowerCase();
}

function isObject(value: unknown): value is Body {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

async function readBody(request: Request): Promise<Body> {
  const body = await request.json().catch(() => null);
  if (!isObject(body)) throw new AdminError(400, "bad_json", "Could not read request body as JSON object");
  for (const name of ["app_metadata", "user_metadata"]) {
    const value = body[name];
    if (value !== undefined && value !== null && !isObject(value)) {
      throw new AdminError(400, "bad_json", `Could not read ${name} as JSON object`);
    }
  }
  return body;
}

/** `ban_duration` as hosted: `24h`, `90m`, `300s`, or `none` to lift the ban. */
function bannedUntil(duration: unknown, before: string | null): string | null {
  if (duration === undefined) return before;
  if (duration === "none") return null;
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(h|m|s)$/.exec(String(duration)) ?? [];
  if (unit === undefined) throw new AdminError(400, "validation_failed", "invalid format for ban duration");
  const seconds = Number(amount) * { h: 3600, m: 60, s: 1 }[unit as "h" | "m" | "s"];
  if (seconds > MAX_BAN_S) throw new AdminError(400, "validation_failed", "invalid format for ban duration");
  return new Date(Date.now() + seconds * 1000).toISOString();
}

function withoutNulls(metadata: Body): Body {
  return Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== null));
}

function positive(text: string | null, otherwise: number): number {
  const number = Number(text);
  return Number.isInteger(number) && number > 0 ? number : otherwise;
}

function notFound(): AdminError {
  return new AdminError(404, "user_not_found", "User not found");
}

export function errorJson(status: number, code: string, message: string): Response {
  return Response.json({ code: status, error_code: code, msg: message }, { status });
}

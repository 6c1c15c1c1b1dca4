// Access tokens with the claims that hosted Supabase Auth puts into them.
import { decodeJwt, SignJWT } from "jose";
import type { Sql } from "./database.ts";
import type { Settings } from "./settings.ts";
import { findUser, type UserRow } from "./users.ts";

function isBanned(user: UserRow): boolean {
  return user.banned_until !== null && Date.parse(user.banned_until) > Date.now();
}

export class Tokens {
  readonly #key: Uint8Array;
  readonly #issuer: string;

  constructor(settings: Settings) {
    this.#key = new TextEncoder().encode(settings.jwt_secret);
    this.#issuer = `${settings.public_url}/auth/v1`;
  }

  /** Signs a token of a session. Policies and functions read `app_metadata` and `is_anonymous` from it. */
  sign(user: UserRow, sessionId: string, issuedAt: number, expiresAt: number): Promise<string> {
    const method = user.is_anonymous ? "anonymous" : user.has_password ? "password" : "otp";
    return new SignJWT({
      iss: this.#issuer,
      sub: user.id,
      aud: user.aud ?? "authenticated",
      iat: issuedAt,
      exp: expiresAt,
      email: user.email ?? "",
      phone: user.phone ?? "",
      app_metadata: user.raw_app_meta_data ?? {},
      user_metadata: user.raw_user_meta_data ?? {},
      role: user.role ?? "authenticated",
      aal: "aal1",
      amr: [{ method, timestamp: issuedAt }],
      session_id: sessionId,
      is_anonymous: user.is_anonymous,
    }).setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(this.#key);
  }

  /**
   * Completes an answer of Supabase Lite, whose tokens carry no metadata and whose users are never anonymous.
   * Answers without a user pass unchanged.
   */
  async complete(sql: Sql, response: Response): Promise<Response> {
    if (response.status === 303) return await this.#completeRedirect(sql, response);
    if (!response.ok || !response.headers.get("content-type")?.includes("application/json")) return response;
    const body = await response.json();
    const shown = body?.user ?? body;
    if (typeof shown?.id === "string" && shown.app_metadata !== undefined) {
      const user = await findUser(sql, shown.id);
      if (user !== null) {
        if (user.is_anonymous && user.email !== null) {
          // An anonymous user who has got an address is a permanent one.
          await sql`update auth.users set is_anonymous = false where id = ${user.id}`;
          user.is_anonymous = false;
        }
        if (body.access_token !== undefined && isBanned(user)) {
          return Response.json({ code: 400, error_code: "user_banned", msg: "User is banned" }, { status: 400 });
        }
        shown.is_anonymous = user.is_anonymous;
        if (typeof body.access_token === "string") body.access_token = await this.#signAgain(user, body.access_token);
      }
    }
    const headers = new Headers(response.headers);
    headers.delete("content-length");
    return new Response(JSON.stringify(body), { status: response.status, headers });
  }

  /** A link from an e-mail ends in a redirect with the session in its fragment. */
  async #completeRedirect(sql: Sql, response: Response): Promise<Response> {
    const [page, fragment] = (response.headers.get("location") ?? "").split("#", 2);
    const session = new URLSearchParams(fragment ?? "");
    const token = session.get("access_token");
    const user = token === null ? null : await findUser(sql, String(decodeJwt(token).sub));
    if (token === null || user === null) return response;
    if (isBanned(user)) {
      const error = new URLSearchParams({ error: "access_denied", error_code: "user_banned" });
      return new Response(null, { status: response.status, headers: { location: `${page}#${error}` } });
    }
    session.set("access_token", await this.#signAgain(user, token));
    const headers = new Headers(response.headers);
    headers.set("location", `${page}#${session}`);
    return new Response(null, { status: response.status, headers });
  }

  #signAgain(user: UserRow, token: string): Promise<string> {
    const { session_id, iat, exp } = decodeJwt(token);
    return this.sign(user, String(session_id), Number(iat), Number(exp));
  }
}

// Anonymous sign-in, which Supabase Lite lacks, over its tables; its sessions refresh like any other.
import type { Sql } from "./database.ts";
import type { Settings } from "./settings.ts";
import type { Tokens } from "./tokens.ts";
import { findUser, userJson } from "./users.ts";

/** True for the body that `sign_in_anonymously` sends: no e-mail, no phone, no password. */
export function isAnonymousSignup(body: Record<string, unknown>): boolean {
  return !body.email && !body.phone && !body.password;
}

export async function signUpAnonymously(
  sql: Sql,
  tokens: Tokens,
  settings: Settings,
  given: unknown,
): Promise<Response> {
  const data = typeof given === "object" && given !== null && !Array.isArray(given) ? given : {};
  const [userId, sessionId, refreshToken] = [crypto.randomUUID(), crypto.randomUUID(), crypto.randomUUID()];
  await sql.begin(async (tx) => {
    await tx`
      insert into auth.users (id, aud, role, raw_app_meta_data, raw_user_meta_data, is_anonymous,
                              last_sign_in_at, created_at, updated_at)
      values (${userId}, 'authenticated', 'authenticated', '{}', ${tx.json(data as never)}, true, now(), now(), now())`;
    await tx`
      insert into auth.sessions (id, user_id, aal, created_at, updated_at)
      values (${sessionId}, ${userId}, 'aal1', now(), now())`;
    await tx`
      insert into auth.refresh_tokens (id, token, user_id, session_id, revoked, created_at, updated_at)
      values (${crypto.randomUUID()}, ${refreshToken}, ${userId}, ${sessionId}, false, now(), now())`;
  });
  const user = await findUser(sql, userId);
  if (user === null) return Response.json({ code: 500, error_code: "unexpected_failure", msg: "" }, { status: 500 });
  const now = Math.floor(Date.now() / 1000);
  const expiresAt = now + settings.jwt_expiry_s;
  return Response.json({
    access_token: await tokens.sign(user, sessionId, now, expiresAt),
    token_type: "bearer",
    expires_in: settings.jwt_expiry_s,
    expires_at: expiresAt,
    refresh_token: refreshToken,
    user: userJson(user),
  });
}

// What a refusal is made of. The codes of the database are those of its table `spaces.error_codes`; a test holds the two equal.

export const DATABASE_CODES = {
  invalid_argument: 400,
  invalid_room_code: 400,
  not_authenticated: 401,
  not_host: 403,
  not_participant: 403,
  not_allowed: 403,
  room_full: 403,
  banned: 403,
  kicked: 403,
  muted: 403,
  room_limit_reached: 403,
  room_not_found: 404,
  message_not_found: 404,
  participant_not_found: 404,
  room_inactive: 409,
  lease_expired: 409,
  conflict: 409,
  rate_limited: 429,
} as const;

export const OWN_CODES = {
  not_found: 404,
  method_not_allowed: 405,
  body_too_large: 413,
  unsupported_media_type: 415,
  internal_error: 500,
  not_configured: 500,
  upstream_failed: 502,
  busy: 503,
} as const;

export const CODES = { ...DATABASE_CODES, ...OWN_CODES };
export type Code = keyof typeof CODES;

export function isCode(value: unknown): value is Code {
  return typeof value === "string" && Object.hasOwn(CODES, value);
}

/** A refusal, thrown wherever it is found and answered in one place. */
export class Problem extends Error {
  constructor(
    readonly code: Code,
    message: string,
    readonly hint: string,
    readonly headers: Record<string, string> = {},
    /** Seconds after which the same call may succeed. */
    readonly retryAfterS?: number,
  ) {
    super(message);
  }

  get status(): number {
    return CODES[this.code];
  }

  response(): Response {
    const headers: Record<string, string> = { "cache-control": "no-store", ...this.headers };
    if (this.status === 401) headers["www-authenticate"] = "Bearer";
    const error: Record<string, unknown> = { code: this.code, message: this.message, hint: this.hint };
    if (this.retryAfterS !== undefined) {
      error.retryAfterS = this.retryAfterS;
      headers["retry-after"] = String(Math.max(1, Math.ceil(this.retryAfterS)));
    }
    return Response.json({ success: false, error }, { status: this.status, headers });
  }
}

export function invalid(operation: string, reason: string, hint: string): Problem {
  return new Problem("invalid_argument", `cannot ${operation}: ${reason}`, hint);
}

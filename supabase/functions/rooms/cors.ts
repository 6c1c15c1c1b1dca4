// Which pages may call from a browser. No cookies: the token in `Authorization` is what counts.
const METHODS = "GET, HEAD, POST, PATCH, DELETE, OPTIONS";
const ALLOWED = "authorization, apikey, content-type, if-none-match, x-client-info, x-request-id";
const EXPOSED =
  "etag, location, ratelimit-limit, ratelimit-policy, ratelimit-remaining, ratelimit-reset, retry-after, x-request-id";
const MAX_AGE_S = "3600";

export function corsHeaders(origin: string | null, allowed: string[]): Record<string, string> {
  if (allowed.includes("*")) return { "access-control-allow-origin": "*", "access-control-expose-headers": EXPOSED };
  if (origin === null || !allowed.includes(origin)) return { vary: "origin" };
  return { "access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED, vary: "origin" };
}

export function preflight(allow: string): Response {
  const headers = {
    allow,
    "access-control-allow-methods": METHODS,
    "access-control-allow-headers": ALLOWED,
    "access-control-max-age": MAX_AGE_S,
  };
  return new Response(null, { status: 204, headers });
}

// Text given for a JSON argument of a function.
import type { Schema } from "./schema.ts";

const PREFIX = "/rest/v1/rpc/";

/**
 * Lite writes objects and arrays as JSON text and hands text over as it is, and our connection passes both on unchanged: so
 * a text meant as a JSON value needs its quotes here. Requests without such an argument pass untouched.
 */
export async function quoteJsonText(request: Request, url: URL, schema: Schema): Promise<Request> {
  if (request.method !== "POST" || !url.pathname.startsWith(PREFIX)) return request;
  const names = schema.jsonArguments.get(url.pathname.slice(PREFIX.length));
  if (names === undefined || !request.headers.get("content-type")?.includes("json")) return request;
  const body = await request.clone().json().catch(() => null);
  if (body === null || typeof body !== "object" || Array.isArray(body)) return request;
  const texts = Object.entries(body).filter(([name, value]) => names.has(name) && typeof value === "string");
  if (texts.length === 0) return request;
  const quoted = Object.fromEntries(texts.map(([name, value]) => [name, JSON.stringify(value)]));
  return new Request(request, { body: JSON.stringify({ ...body, ...quoted }) });
}

// What a request brings, checked: a body, ids, numbers of the query. Ranges and rights are the database's to check.
import { isObject, type Json } from "./database.ts";
import { invalid, Problem } from "./problems.ts";

export const MAX_BODY_BYTES = 64 * 1024;
const MAX_DEPTH = 16;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const MAX_INTEGER = 2_147_483_647;

export type Kind = "string" | "integer" | "integer or null" | "boolean" | "object" | "uuid";
export type Fields = Record<string, Kind>;

/** The JSON object of the body; an empty body is an empty object where that is allowed. */
export async function readBody(request: Request, operation: string, fields: Fields, mayBeEmpty = false): Promise<Json> {
  const bytes = await readBytes(request, operation);
  if (bytes.length === 0) {
    if (mayBeEmpty) return {};
    throw invalid(operation, "the body is empty", "Send a JSON object.");
  }
  if (
    !/^application\/([\w.-]+\+)?json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(request.headers.get("content-type") ?? "")
  ) {
    throw new Problem(
      "unsupported_media_type",
      `cannot ${operation}: the body is not said to be JSON`,
      "Send Content-Type: application/json.",
    );
  }
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw invalid(operation, "the body is no JSON", "Send a JSON object, in UTF-8.");
  }
  if (!isObject(body)) throw invalid(operation, "the body is no object", "Send a JSON object.");
  refuseUnstorable(body, operation);
  for (const [name, value] of Object.entries(body)) {
    const kind = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (kind === undefined) {
      const known = Object.keys(fields).join(", ");
      throw invalid(operation, `there is no such field as ${JSON.stringify(name.slice(0, 40))}`, `One of: ${known}.`);
    }
    if (!is(kind, value)) throw invalid(operation, `${name} is malformed`, `Give a JSON ${kind}.`);
  }
  return body;
}

async function readBytes(request: Request, operation: string): Promise<Uint8Array> {
  const tooLarge = new Problem(
    "body_too_large",
    `cannot ${operation}: the body is too large`,
    `At most ${MAX_BODY_BYTES} bytes.`,
    { connection: "close" },
  );
  if (Number(request.headers.get("content-length") ?? 0) > MAX_BODY_BYTES) throw tooLarge;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw tooLarge;
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

function is(kind: Kind, value: unknown): boolean {
  switch (kind) {
    case "string":
      return typeof value === "string";
    case "integer":
      return Number.isInteger(value) && Math.abs(value as number) <= MAX_INTEGER;
    case "integer or null":
      return value === null || is("integer", value);
    case "boolean":
      return typeof value === "boolean";
    case "object":
      return isObject(value);
    case "uuid":
      return typeof value === "string" && UUID.test(value);
  }
}

/** Postgres stores neither NUL nor half a character; deep values cost more than they can be worth. Without recursion. */
function refuseUnstorable(body: unknown, operation: string): void {
  const left: [unknown, number][] = [[body, 1]];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const [value, depth] = next;
    if (typeof value === "string" && (value.includes("\0") || !value.isWellFormed())) {
      throw invalid(
        operation,
        "a text holds a character that cannot be stored",
        "Leave out NUL and half surrogate pairs.",
      );
    }
    if (typeof value !== "object" || value === null) continue;
    if (depth > MAX_DEPTH) throw invalid(operation, "the body is nested too deeply", `At most ${MAX_DEPTH} levels.`);
    for (const [name, inner] of Object.entries(value)) left.push([name, depth], [inner, depth + 1]);
  }
}

export function readRoomId(text: string | undefined, operation: string): string {
  if (text === undefined || !UUID.test(text)) {
    throw invalid(operation, "the room's id is no UUID", "Look the room up by its code: GET /rooms/code/{roomCode}.");
  }
  return text.toLowerCase();
}

/** An integer of the query; undefined if it is not there. */
export function readNumber(query: URLSearchParams, name: string, operation: string, max: number): number | undefined {
  const text = readOnce(query, name, operation);
  if (text === undefined) return undefined;
  const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : -1;
  if (value < 0 || value > max) throw invalid(operation, `${name} is out of range`, `Give a number from 0 to ${max}.`);
  return value;
}

export function readOnce(query: URLSearchParams, name: string, operation: string): string | undefined {
  const values = query.getAll(name);
  if (values.length > 1) throw invalid(operation, `${name} stands there twice`, "Give it once.");
  if (values[0]?.includes("\0")) throw invalid(operation, `${name} is malformed`, "Leave out NUL.");
  return values[0];
}

export function refuseOthers(query: URLSearchParams, operation: string, known: string[]): void {
  const other = [...query.keys()].find((name) => !known.includes(name) && name !== "apikey");
  if (other === undefined) return;
  const hint = known.length === 0 ? "It takes none." : `One of: ${known.join(", ")}.`;
  throw invalid(operation, `there is no such parameter as ${JSON.stringify(other.slice(0, 40))}`, hint);
}

// The JSON of answers: names in camelCase; what is an app's own (settings, metadata, reactions) passes as it is.
import { isObject, type Json } from "./database.ts";

const OPAQUE = new Set(["settings", "metadata", "reactions"]);

export function camelName(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

export function camel(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(camel);
  if (!isObject(value)) return value;
  const entries = Object.entries(value);
  return Object.fromEntries(entries.map(([name, inner]) => [camelName(name), OPAQUE.has(name) ? inner : camel(inner)]));
}

/** A room, with its link where one is configured and the caller may know the code. */
export function roomOf(room: unknown, joinBaseUrl: string, more: Json = {}): Json {
  const shown = camel(room) as Json;
  const joinLink = joinBaseUrl !== "" && shown.roomCode ? `${joinBaseUrl}/${shown.roomCode}` : null;
  return { ...shown, joinLink, ...more };
}

/** A tag of what was answered: the room's head, and a hash of what changes without a step (who is online, a growing text). */
export async function tagOf(head: unknown, unstepped: unknown): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(unstepped));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).slice(0, 6);
  return `W/"${head}-${[...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("")}"`;
}

/** Whether the caller holds that very answer already (RFC 9110, 13.1.2). */
export function isHeld(ifNoneMatch: string | null, tag: string): boolean {
  if (ifNoneMatch === null) return false;
  const bare = (text: string) => text.trim().replace(/^W\//, "");
  return ifNoneMatch.split(",").some((held) => held.trim() === "*" || bare(held) === bare(tag));
}

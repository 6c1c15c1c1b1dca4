// The limit on requests. It is kept in the database: a function has no memory that lasts.
import { type Database, type Json, refused } from "./database.ts";

/** Counts one request of the caller, which also proves the token; answers the headers that tell what is left. */
export async function countRequest(database: Database): Promise<Record<string, string>> {
  const answer = await database.ask("take_request");
  const headers = limitHeaders(answer);
  if (answer.ok === false) throw refused(answer, headers);
  return headers;
}

function limitHeaders(answer: Json): Record<string, string> {
  if (typeof answer.limit !== "number") return {}; // the operator has deleted the limit
  return {
    "ratelimit-limit": String(answer.limit),
    "ratelimit-remaining": String(answer.remaining),
    "ratelimit-reset": String(answer.reset_s),
    "ratelimit-policy": `${answer.limit};w=${answer.window_s}`,
  };
}

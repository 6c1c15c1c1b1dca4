// What the function is told by its environment: what hosted functions have, and two settings of its own.
import { Problem } from "./problems.ts";

export type Environment = (name: string) => string | undefined;

export interface Settings {
  url: string;
  key: string;
  /** Where a link to a room points, without the code; empty: there is no link. */
  joinBaseUrl: string;
  /** Origins that browsers may call from; `*` for any. */
  allowedOrigins: string[];
}

export function readSettings(environment: Environment): Settings {
  const url = environment("SUPABASE_URL");
  const key = publishableKey(environment);
  if (!url || !key) {
    console.error("SUPABASE_URL or the publishable key is missing");
    throw new Problem("not_configured", "cannot answer: the function is not set up", "Its log says what is missing.");
  }
  return {
    url: url.replace(/\/+$/, ""),
    key,
    joinBaseUrl: (environment("SPACES_JOIN_BASE_URL") ?? "").replace(/\/+$/, ""),
    allowedOrigins: readOrigins(environment),
  };
}

export function readOrigins(environment: Environment): string[] {
  const named = (environment("SPACES_ALLOWED_ORIGINS") ?? "").split(",").map((origin) =>
    origin.trim().replace(/\/$/, "")
  );
  const origins = named.filter((origin) => origin !== "");
  return origins.length > 0 ? origins : ["*"];
}

/** Hosted functions have SUPABASE_PUBLISHABLE_KEYS, a JSON object of names and keys; older ones the anon key. */
function publishableKey(environment: Environment): string | undefined {
  const keys = environment("SUPABASE_PUBLISHABLE_KEYS");
  if (keys) {
    try {
      const named = JSON.parse(keys) as Record<string, unknown>;
      const key = named.default ?? Object.values(named)[0];
      if (typeof key === "string" && key) return key;
    } catch {
      console.error("SUPABASE_PUBLISHABLE_KEYS is no JSON");
    }
  }
  return environment("SUPABASE_PUBLISHABLE_KEY") ?? environment("SUPABASE_ANON_KEY");
}

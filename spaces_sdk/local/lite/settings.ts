// What the program is told: one JSON document on standard input, so that no secret stands in arguments or environment.

export interface Settings {
  /** Loopback port to serve on. */
  port: number;
  /** Connection URL for the REST API: a role that may become anon, authenticated or service_role. */
  rest_db_url: string;
  /** Connection URL for Auth: the owner of schema auth. */
  auth_db_url: string;
  /** Connection URL for reading the schema: the migration role, which sees every table. */
  schema_db_url: string;
  jwt_secret: string;
  /** Life of an access token, in seconds. */
  jwt_expiry_s: number;
  publishable_key: string;
  secret_key: string;
  /** The address that clients use, for issuer and links. */
  public_url: string;
}

/** Reads standard input to its end. It comes only once the database is ready; the imports are loaded meanwhile. */
export async function readSettings(): Promise<Settings> {
  const text = await new Response(Deno.stdin.readable).text();
  return JSON.parse(text) as Settings;
}

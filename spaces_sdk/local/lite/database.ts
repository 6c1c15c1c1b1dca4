// Connections to Postgres, mended where Supabase Lite differs from the hosted services.
import { createPostgresConnection } from "@supabase/lite/postgres";
import postgres from "postgres";

const OID_JSON = 114;
const OID_JSONB = 3802;
const OID_TIMESTAMP = 1114;
const OID_TIMESTAMPTZ = 1184;
const TIMESTAMP = /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)([+-]\d\d)?(:\d\d)?$/;

/** `2026-11-23 09:44:50.617+00` as ISO 8601; what is no ordinary time (infinity, BC) stays as it is. */
function isoTime(text: string): string {
  return text.replace(
    TIMESTAMP,
    (_, day, time, hours, minutes) => `${day}T${time}${hours ? hours + (minutes ?? ":00") : ""}`,
  );
}

function timeType(oid: number) {
  return { to: oid, from: [oid], serialize: (value: unknown) => value, parse: isoTime };
}

const timeTypes = { timestamp: timeType(OID_TIMESTAMP), timestamptz: timeType(OID_TIMESTAMPTZ) };

// Lite hands objects and arrays over as JSON text; written once more they would become JSON strings.
function jsonType(oid: number) {
  return {
    to: oid,
    from: [oid],
    serialize: (value: unknown) => typeof value === "string" ? value : JSON.stringify(value),
    parse: (text: string) => JSON.parse(text),
  };
}

const liteTypes = { ...timeTypes, json: jsonType(OID_JSON), jsonb: jsonType(OID_JSONB) };

/** A connection for Supabase Lite. */
export function connectLite(url: string, poolSize: number) {
  const postgresOptions = { max: poolSize, types: liteTypes, onnotice: () => {} };
  const connection = createPostgresConnection({ url, postgresOptions });
  // At the first request Lite grants everything on every table of a schema that has row level security to anon,
  // authenticated and service_role. Here the migrations say who may what: tell it that this has been seen to.
  (connection as unknown as { rlsState: string }).rlsState = "active";
  return connection;
}

export type LiteConnection = ReturnType<typeof connectLite>;
export type Sql = ReturnType<typeof connectSql>;

/** A small pool for the statements of our own. */
export function connectSql(url: string) {
  return postgres(url, { max: 2, types: timeTypes, onnotice: () => {}, connection: { TimeZone: "UTC" } });
}

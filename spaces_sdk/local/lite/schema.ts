// The REST API's picture of the schema: read at start, and again at `notify pgrst`, as PostgREST does.
import { connectLite, type LiteConnection, type Sql } from "./database.ts";
import type { Settings } from "./settings.ts";

type Introspection = Awaited<ReturnType<LiteConnection["introspect"]>>;
type Served = Pick<LiteConnection, "introspect">;

/** What was read last. */
export class Schema {
  /** For each function of schema public the names of its arguments of type json and jsonb, where it has any. */
  jsonArguments = new Map<string, Set<string>>();
  introspection: Introspection;

  constructor(introspection: Introspection) {
    this.introspection = introspection;
    this.replace(introspection);
  }

  replace(introspection: Introspection): void {
    this.introspection = introspection;
    this.jsonArguments = new Map();
    for (const { schema, name, arg_names, arg_types } of introspection.functions ?? []) {
      const names = arg_names.filter((_, index) => /^jsonb?$/.test(arg_types[index] ?? ""));
      if (schema !== "public" || names.length === 0) continue;
      this.jsonArguments.set(name, new Set([...this.jsonArguments.get(name) ?? [], ...names]));
    }
  }
}

/**
 * Gives `connection` the schema as the migration role sees it. Lite would read it as the role that serves requests, which
 * the information schema shows nothing: it has no rights of its own and inherits none.
 */
export async function serveSchema(settings: Settings, connection: Served, sql: Sql): Promise<Schema> {
  const reader = connectLite(settings.schema_db_url, 1);
  const schema = new Schema(await reader.introspect());
  connection.introspect = () => Promise.resolve(schema.introspection);
  const reload = async () => {
    schema.replace(await reader.introspect());
    console.log("schema read again");
  };
  await sql.listen("pgrst", () => void reload().catch((error) => console.error("cannot read the schema:", error)));
  return schema;
}

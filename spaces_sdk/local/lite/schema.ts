// The REST API's picture of the schema: read at start, and again at `notify pgrst`, as PostgREST does.
import { connectLite, type LiteConnection, type Sql } from "./database.ts";
import type { Settings } from "./settings.ts";

type Served = Pick<LiteConnection, "introspect">;

/**
 * Gives `connection` the schema as the migration role sees it. Lite would read it as the role that serves requests, which
 * the information schema shows nothing: it has no rights of its own and inherits none.
 */
export async function serveSchema(settings: Settings, connection: Served, sql: Sql): Promise<void> {
  const reader = connectLite(settings.schema_db_url, 1);
  let schema = await reader.introspect();
  connection.introspect = () => Promise.resolve(schema);
  const reload = async () => {
    schema = await reader.introspect();
    console.log("schema read again");
  };
  await sql.listen("pgrst", () => void reload().catch((error) => console.error("cannot read the schema:", error)));
}

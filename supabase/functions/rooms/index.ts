// The rooms over plain HTTP, for anything that speaks it; see docs/rest.md.
// supabase functions deploy rooms --no-verify-jwt
import { makeHandler } from "./service.ts";

Deno.serve(makeHandler((name) => Deno.env.get(name), fetch));

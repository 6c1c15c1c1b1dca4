// Deletes rooms that have run out: for projects without pg_cron. Whatever schedules it sends the secret.
// supabase secrets set CLEANUP_SECRET=$(openssl rand -hex 32)
// supabase functions deploy cleanup --no-verify-jwt
// curl -X POST -H "Authorization: Bearer $CLEANUP_SECRET" https://REF.supabase.co/functions/v1/cleanup
import { makeHandler } from "./handler.ts";

Deno.serve(makeHandler((name) => Deno.env.get(name), fetch));

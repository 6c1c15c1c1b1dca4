// Rows of auth.users as the Auth API shows them.
import type { Sql } from "./database.ts";

export interface UserRow {
  id: string;
  aud: string | null;
  role: string | null;
  email: string | null;
  phone: string | null;
  has_password: boolean;
  email_confirmed_at: string | null;
  phone_confirmed_at: string | null;
  confirmed_at: string | null;
  last_sign_in_at: string | null;
  banned_until: string | null;
  raw_app_meta_data: Record<string, unknown> | null;
  raw_user_meta_data: Record<string, unknown> | null;
  is_anonymous: boolean;
  created_at: string | null;
  updated_at: string | null;
  identities: Record<string, unknown>[];
}

function selectUsers(sql: Sql) {
  return sql`
    select u.id, u.aud, u.role, u.email, u.phone, coalesce(u.encrypted_password, '') <> '' as has_password,
           u.email_confirmed_at, u.phone_confirmed_at, u.confirmed_at, u.last_sign_in_at, u.banned_until,
           u.raw_app_meta_data, u.raw_user_meta_data, u.is_anonymous, u.created_at, u.updated_at,
           coalesce((select jsonb_agg(jsonb_build_object(
                       'identity_id', i.id, 'id', i.provider_id, 'user_id', i.user_id, 'identity_data', i.identity_data,
                       'provider', i.provider, 'last_sign_in_at', i.last_sign_in_at, 'created_at', i.created_at,
                       'updated_at', i.updated_at, 'email', i.email) order by i.created_at)
                     from auth.identities i where i.user_id = u.id), '[]') as identities
    from auth.users u`;
}

export async function findUser(sql: Sql, id: string): Promise<UserRow | null> {
  const rows = await sql<UserRow[]>`${selectUsers(sql)} where u.id = ${id} and u.deleted_at is null`;
  return rows[0] ?? null;
}

export async function listUsers(sql: Sql, limit: number, offset: number): Promise<{ users: UserRow[]; total: number }> {
  const users = await sql<UserRow[]>`
    ${selectUsers(sql)} where u.deleted_at is null order by u.created_at desc, u.id limit ${limit} offset ${offset}`;
  const [{ total }] = await sql<{ total: number }[]>`
    select count(*)::int as total from auth.users where deleted_at is null`;
  return { users: [...users], total };
}

export function userJson(row: UserRow) {
  const optional = {
    email_confirmed_at: row.email_confirmed_at,
    phone_confirmed_at: row.phone_confirmed_at,
    confirmed_at: row.confirmed_at,
    last_sign_in_at: row.last_sign_in_at,
    banned_until: row.banned_until,
  };
  return {
    id: row.id,
    aud: row.aud ?? "authenticated",
    role: row.role ?? "authenticated",
    email: row.email ?? "",
    phone: row.phone ?? "",
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== null)),
    app_metadata: row.raw_app_meta_data ?? {},
    user_metadata: row.raw_user_meta_data ?? {},
    identities: row.identities,
    created_at: row.created_at,
    updated_at: row.updated_at,
    is_anonymous: row.is_anonymous,
  };
}

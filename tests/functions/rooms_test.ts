// The handler of the rooms, in-process, with a database that answers from a script. Run by test_rooms_typescript.py.
import type { Fetch } from "../../supabase/functions/rooms/database.ts";
import { makeHandler } from "../../supabase/functions/rooms/service.ts";

const HOSTED = {
  SUPABASE_URL: "https://ref.supabase.co/",
  SUPABASE_PUBLISHABLE_KEYS: '{"web":"sb_publishable_web","default":"sb_publishable_one"}',
};
const TOKEN = "head.claims.signature";
const ID = "0b1f0e0c-0000-4000-8000-000000000001";
const COUNTED = { ok: true, limit: 100, remaining: 99, reset_s: 9, window_s: 900 };

interface Upstream {
  url: string;
  headers: Headers;
  body: string;
}

function equal(actual: unknown, expected: unknown): void {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (left !== right) throw new Error(`got ${left}, not ${right}`);
}

/** The database: each call of a function takes the next answer of its list, the last one again and again. */
function setup(answers: Record<string, (() => Response | never)[]> = {}, environment: Record<string, string> = HOSTED) {
  const calls: Upstream[] = [];
  const lines: string[] = [];
  const fetch: Fetch = async (url, init) => {
    calls.push({ url, headers: new Headers(init.headers), body: String(init.body) });
    const name = url.split("/").at(-1) ?? "";
    const left = answers[name] ?? [() => Response.json(name === "take_request" ? COUNTED : { ok: true, head: 1 })];
    const next = left.length > 1 ? left.shift() : left[0];
    return await Promise.resolve(next?.() ?? Response.json(null, { status: 500 }));
  };
  const handler = makeHandler((name) => environment[name], fetch, (line) => lines.push(line));
  return { calls, lines, handler };
}

function ask(method: string, path: string, init: RequestInit & { headers?: Record<string, string> } = {}): Request {
  const headers = { authorization: `Bearer ${TOKEN}`, ...init.headers };
  return new Request(`https://ref.supabase.co${path}`, { ...init, method, headers });
}

function error(status: number, code: string, details: string): () => Response {
  return () => Response.json({ code, details, message: "cannot do it: no", hint: "Try." }, { status });
}

async function codeOf(response: Response): Promise<[number, string]> {
  return [response.status, (await response.json()).error.code];
}

Deno.test("each call goes to the database as the caller", async () => {
  const { calls, handler, lines } = setup();
  const response = await handler(ask("DELETE", `/rooms/${ID}/leave`, { headers: { "x-request-id": "mine" } }));
  equal([response.status, await response.json()], [200, { success: true, head: 1 }]);
  equal(calls.map((call) => call.url), [
    "https://ref.supabase.co/rest/v1/rpc/take_request",
    "https://ref.supabase.co/rest/v1/rpc/leave_room",
  ]);
  for (const call of calls) {
    equal(call.headers.get("authorization"), `Bearer ${TOKEN}`);
    equal(call.headers.get("apikey"), "sb_publishable_one");
    equal(call.headers.get("x-request-id"), "mine");
  }
  equal(calls[1]?.body, JSON.stringify({ p_room_id: ID }));
  equal(JSON.parse(lines[0] ?? "").requestId, "mine");
});

Deno.test("it answers under each prefix that a proxy may leave", async () => {
  for (const prefix of ["/rooms", "/rooms/api/rooms", "/functions/v1/rooms", "/api/rooms"]) {
    equal((await setup().handler(ask("DELETE", `${prefix}/${ID}`))).status, 200);
  }
});

Deno.test("without a token of a user nothing is asked", async () => {
  for (const authorization of ["", "Bearer", "Bearer sb_publishable_one", `Basic ${TOKEN}`, `Bearer ${TOKEN} more`]) {
    const { calls, handler } = setup();
    const response = await handler(ask("GET", `/rooms/${ID}`, { headers: { authorization } }));
    equal(response.headers.get("www-authenticate"), "Bearer");
    equal(await codeOf(response), [401, "not_authenticated"]);
    equal(calls.length, 0);
  }
});

Deno.test("what is not served is told without asking the database", async () => {
  const { calls, handler } = setup();
  const wrong = await handler(ask("PUT", `/rooms/${ID}`));
  equal([wrong.headers.get("allow"), ...await codeOf(wrong)], [
    "GET, DELETE, HEAD, OPTIONS",
    405,
    "method_not_allowed",
  ]);
  equal(await codeOf(await handler(ask("GET", "/rooms/create"))), [405, "method_not_allowed"]);
  equal(await codeOf(await handler(ask("GET", `/rooms/${ID}/nothing`))), [404, "not_found"]);
  equal(await codeOf(await handler(ask("GET", "/rooms"))), [404, "not_found"]);
  equal((await handler(ask("OPTIONS", `/rooms/${ID}`))).status, 204);
  equal(calls.length, 0);
});

Deno.test("the database's refusals keep their code, their words and their status", async () => {
  for (const [status, code] of [[403, "not_host"], [404, "room_not_found"], [409, "room_inactive"]] as const) {
    const { handler } = setup({ delete_room: [error(status, `PT${status}`, code)] });
    const response = await handler(ask("DELETE", `/rooms/${ID}`));
    equal(response.headers.get("ratelimit-remaining"), "99");
    equal(await response.json(), { success: false, error: { code, message: "cannot do it: no", hint: "Try." } });
    equal(response.status, status);
  }
});

Deno.test("a limit says when to come back", async () => {
  const limited = {
    ok: false,
    code: "rate_limited",
    retry_after_s: 4.2,
    message: "cannot answer: too many calls",
    hint: "Wait.",
  };
  const { handler, calls } = setup({ take_request: [() => Response.json({ ...COUNTED, ...limited, remaining: 0 })] });
  const response = await handler(ask("GET", `/rooms/${ID}`));
  equal([response.headers.get("retry-after"), response.headers.get("ratelimit-remaining")], ["5", "0"]);
  equal(await codeOf(response), [429, "rate_limited"]);
  equal(calls.length, 1);
});

Deno.test("a deadlock is tried again, and one that stays is told as passing", async () => {
  const busy = error(500, "40P01", "");
  const once = setup({ delete_room: [busy, () => Response.json({ ok: true })] });
  equal((await once.handler(ask("DELETE", `/rooms/${ID}`))).status, 200);
  const always = setup({ delete_room: [busy] });
  const response = await always.handler(ask("DELETE", `/rooms/${ID}`));
  equal([response.headers.get("retry-after"), ...await codeOf(response)], ["1", 503, "busy"]);
  equal(always.calls.length, 4);
});

Deno.test("a database that cannot be understood is a bad gateway, and its words stay in the log", async () => {
  const broken = [
    () => new Response("<html>secret</html>", { status: 502 }),
    () => new Response("<html>secret</html>"),
    () => Response.json(["secret"]),
    () => {
      throw new TypeError("secret");
    },
    error(500, "XX000", "secret"),
  ];
  const logged: string[] = [];
  const usual = console.error;
  console.error = (line: string) => logged.push(line);
  try {
    for (const answer of broken) {
      const request = ask("DELETE", `/rooms/${ID}`, { headers: { "x-request-id": "mine" } });
      const response = await setup({ delete_room: [answer] }).handler(request);
      const text = await response.text();
      equal([response.status, text.includes("upstream_failed"), text.includes("secret")], [502, true, false]);
    }
  } finally {
    console.error = usual;
  }
  const found = logged.map((line) => line.startsWith("mine: delete_room ") && line.includes("secret"));
  equal(found, broken.map(() => true));
});

Deno.test("what is missing in the project is said to be missing", async () => {
  const lacking = setup({ take_request: [error(404, "PGRST202", "")] });
  equal(await codeOf(await lacking.handler(ask("GET", `/rooms/${ID}`))), [500, "not_configured"]);
  equal(await codeOf(await setup({}, {}).handler(ask("GET", `/rooms/${ID}`))), [500, "not_configured"]);
});

Deno.test("older projects have the anon key, and a token of no user is none", async () => {
  const { calls, handler } = setup({ take_request: [error(401, "42501", "")] }, {
    SUPABASE_URL: "https://ref.supabase.co",
    SUPABASE_ANON_KEY: "eyJ.a.b",
  });
  equal(await codeOf(await handler(ask("GET", `/rooms/${ID}`))), [401, "not_authenticated"]);
  equal(calls[0]?.headers.get("apikey"), "eyJ.a.b");
});

Deno.test("only the origins that are named may call from a browser", async () => {
  const { handler } = setup({}, { ...HOSTED, SPACES_ALLOWED_ORIGINS: "https://app.example, https://b.example/" });
  const allowed = async (origin: string) =>
    (await handler(ask("OPTIONS", `/rooms/${ID}`, { headers: { origin } }))).headers.get("access-control-allow-origin");
  equal(await allowed("https://app.example"), "https://app.example");
  equal(await allowed("https://b.example"), "https://b.example");
  equal(await allowed("https://c.example"), null);
});

Deno.test("a body that never says how long it is is not read to its end", async () => {
  let sent = 0;
  const body = new ReadableStream({
    pull: (controller) => {
      sent += 1;
      if (sent > 1000) controller.close();
      else controller.enqueue(new Uint8Array(16_384));
    },
  });
  const response = await setup().handler(ask("POST", "/rooms/create", { body }));
  equal(await codeOf(response), [413, "body_too_large"]);
  equal(sent < 20, true);
});

Deno.test("without a configured address there is no link", async () => {
  const room = { id: ID, room_code: "XJ9K2M", settings: { a_b: 1 } };
  const made = { create_room: [() => Response.json({ ok: true, room, head: 0 })] };
  const body = JSON.stringify({ name: "Jam" });
  const headers = { "content-type": "application/json" };
  const without = await (await setup(made).handler(ask("POST", "/rooms/create", { body, headers }))).json();
  equal(without.room, { id: ID, roomCode: "XJ9K2M", settings: { a_b: 1 }, joinLink: null });
  const environment = { ...HOSTED, SPACES_JOIN_BASE_URL: "https://app.example/spaces/" };
  const linked = await (await setup(made, environment).handler(ask("POST", "/rooms/create", { body, headers }))).json();
  equal(linked.room.joinLink, "https://app.example/spaces/XJ9K2M");
});

Deno.test("what was held of a room that is made again with its id is not held any more", async () => {
  const made = (at: string) => () => Response.json({ ok: true, head: 0, room: { id: ID, created_at: at } });
  const said = (id: string) => () => Response.json({ ok: true, head: 1, items: [{ id, status: "final" }] });
  const { handler } = setup({
    get_room_by_id: [made("2026-01-01"), made("2026-01-02")],
    get_room_messages: [said("a"), said("b")],
    get_participants: [said("a"), said("b")],
  });
  for (const place of ["", "/messages", "/participants"]) {
    const held = (await handler(ask("GET", `/rooms/${ID}${place}`))).headers.get("etag") ?? "";
    const again = await handler(ask("GET", `/rooms/${ID}${place}`, { headers: { "if-none-match": held } }));
    const headers = { "if-none-match": again.headers.get("etag") ?? "" };
    const then = await handler(ask("GET", `/rooms/${ID}${place}`, { headers }));
    equal([again.status, then.status], [200, 304]);
  }
});

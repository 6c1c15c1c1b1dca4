// The handler of the clean-up, in-process, with a database that answers from a script. Run by test_cleanup.py.
import { type Fetch, makeHandler } from "../../supabase/functions/cleanup/handler.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
const HOSTED = {
  CLEANUP_SECRET: SECRET,
  SUPABASE_URL: "https://ref.supabase.co/",
  SUPABASE_SECRET_KEYS: '{"default":"sb_secret_one"}',
};

interface Call {
  url: string;
  headers: Headers;
  body: unknown;
}

function equal(actual: unknown, expected: unknown): void {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (left !== right) throw new Error(`got ${left}, not ${right}`);
}

function batch(rooms: number, messages: number, hasMore: boolean): Response {
  return Response.json({ rooms_deleted: rooms, messages_deleted: messages, has_more: hasMore });
}

function setup(answer: (call: number) => Response, environment: Record<string, string> = HOSTED, secondsACall = 0) {
  const calls: Call[] = [];
  let now = 0;
  const database: Fetch = (url, init) => {
    calls.push({ url, headers: new Headers(init.headers), body: init.body });
    now += secondsACall * 1000;
    return Promise.resolve(answer(calls.length));
  };
  return { calls, handler: makeHandler((name) => environment[name], database, () => now) };
}

function call(headers: Record<string, string> = { authorization: `Bearer ${SECRET}` }, method = "POST"): Request {
  return new Request("https://ref.supabase.co/functions/v1/cleanup", { method, headers });
}

Deno.test("it calls until nothing is left, and adds up", async () => {
  const { calls, handler } = setup((count) => count < 3 ? batch(20, 100, true) : batch(2, 7, false));
  const response = await handler(call());
  equal(response.status, 200);
  equal(await response.json(), { success: true, roomsDeleted: 42, messagesDeleted: 207, batches: 3, hasMore: false });
  equal(calls.map((one) => one.url), Array(3).fill("https://ref.supabase.co/rest/v1/rpc/cleanup_inactive_rooms"));
  equal([calls[0]?.headers.get("apikey"), calls[0]?.headers.get("authorization")], ["sb_secret_one", null]);
});

Deno.test("it ends though there is always more", async () => {
  const { calls, handler } = setup(() => batch(20, 0, true));
  const body = await (await handler(call())).json();
  equal([body.hasMore, body.batches, calls.length], [true, 25, 25]);
});

Deno.test("it ends when its time is up", async () => {
  const { handler } = setup(() => batch(20, 0, true), HOSTED, 25);
  equal((await (await handler(call())).json()).batches, 3);
});

const wrong: Record<string, Record<string, string>> = {
  "no header": {},
  "an empty token": { authorization: "Bearer " },
  "another secret": { authorization: `Bearer ${SECRET.replace("0", "1")}` },
  "the beginning of it": { authorization: `Bearer ${SECRET.slice(0, 31)}` },
  "more than it": { authorization: `Bearer ${SECRET}0` },
  "another scheme": { authorization: `Basic ${SECRET}` },
  "another header": { "x-cleanup-secret": SECRET },
};
for (const [name, headers] of Object.entries(wrong)) {
  Deno.test(`it refuses ${name} and asks the database nothing`, async () => {
    const { calls, handler } = setup(() => batch(0, 0, false));
    const response = await handler(call(headers));
    const body = await response.json();
    equal([response.status, body.success, body.error.code, calls.length], [401, false, "not_authenticated", 0]);
    if (JSON.stringify(body).includes(SECRET)) throw new Error("the answer repeats the secret");
  });
}

for (const method of ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
  Deno.test(`it answers no ${method}`, async () => {
    const { calls, handler } = setup(() => batch(0, 0, false));
    const response = await handler(call(undefined, method));
    equal([response.status, response.headers.get("allow"), calls.length], [405, "POST", 0]);
    await response.body?.cancel();
  });
}

const unset: Record<string, Record<string, string>> = {
  "no secret": { ...HOSTED, CLEANUP_SECRET: "" },
  "a short secret": { ...HOSTED, CLEANUP_SECRET: SECRET.slice(1) },
  "no key": { CLEANUP_SECRET: SECRET, SUPABASE_URL: HOSTED.SUPABASE_URL },
  "no url": { CLEANUP_SECRET: SECRET, SUPABASE_SECRET_KEY: "sb_secret_one" },
  "broken keys": { ...HOSTED, SUPABASE_SECRET_KEYS: "{" },
};
for (const [name, environment] of Object.entries(unset)) {
  Deno.test(`with ${name} it does nothing, whoever asks`, async () => {
    const { calls, handler } = setup(() => batch(0, 0, false), environment);
    const response = await handler(call({ authorization: `Bearer ${environment.CLEANUP_SECRET}` }));
    equal([response.status, (await response.json()).error.code, calls.length], [500, "not_configured", 0]);
  });
}

Deno.test("a key of the older kind is sent as a token too", async () => {
  const older = { ...HOSTED, SUPABASE_SECRET_KEYS: "", SUPABASE_SERVICE_ROLE_KEY: "eyJ.a.b" };
  const { calls, handler } = setup(() => batch(0, 0, false), older);
  equal((await handler(call())).status, 200);
  equal([calls[0]?.headers.get("apikey"), calls[0]?.headers.get("authorization")], ["eyJ.a.b", "Bearer eyJ.a.b"]);
});

const upstream: Record<string, () => Response> = {
  "an error": () => Response.json({ message: "no", secret: "inner" }, { status: 500 }),
  "a page": () => new Response("<html>inner</html>"),
  "other JSON": () => Response.json({ ok: "inner" }),
  "no network": () => {
    throw new TypeError("inner: connection refused");
  },
};
for (const [name, answer] of Object.entries(upstream)) {
  Deno.test(`${name} of the database is a 502 that tells nothing of it`, async () => {
    const { handler } = setup(answer);
    const response = await handler(call());
    const text = await response.text();
    equal([response.status, JSON.parse(text).error.code], [502, "upstream_failed"]);
    if (text.includes("inner")) throw new Error(text);
  });
}

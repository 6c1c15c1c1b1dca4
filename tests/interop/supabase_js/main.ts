// A guest of the interop test: supabase-js as an app uses it, moved by commands on stdin, one JSON object a line.
import { createClient, type RealtimeChannel } from "@supabase/supabase-js";

type Args = Record<string, string>;
type Answer = { room: { id: string }; topic: string };

const supabase = createClient(Deno.env.get("GUEST_URL")!, Deno.env.get("GUEST_KEY")!);
let room: RealtimeChannel | undefined;

function print(line: Record<string, unknown>): void {
  console.log(JSON.stringify(line));
}

function subscribed(channel: RealtimeChannel): Promise<Record<string, unknown>> {
  return new Promise((resolve) => {
    channel.subscribe((status, error) => resolve({ status, error: error?.message ?? "" }));
  });
}

async function rpc(name: string, args: Record<string, unknown>): Promise<Answer> {
  const { data, error } = await supabase.rpc(name, args);
  if (error !== null) throw new Error(error.message);
  return data;
}

const commands: Record<string, (args: Args) => Promise<Record<string, unknown>>> = {
  async sign_in({ email, password }) {
    const { error } = await supabase.auth.signInWithPassword({ email, password });
    if (error !== null) throw error;
    return {};
  },
  async join({ code, name }) {
    const found = await rpc("get_room_by_code", { p_code: code });
    const joined = await rpc("join_room", {
      p_room_id: found.room.id,
      p_display_name: name,
      p_connection_id: crypto.randomUUID(),
    });
    const channel = supabase.channel(joined.topic, { config: { private: true, presence: { key: name } } });
    channel.on("broadcast", { event: "*" }, (message) => print({ heard: "broadcast", ...message }));
    channel.on("presence", { event: "sync" }, () => print({ heard: "presence", state: channel.presenceState() }));
    room = channel;
    return { topic: joined.topic, ...(await subscribed(channel)) };
  },
  async track({ mood }) {
    return { status: await room!.track({ mood }) };
  },
  async say({ room_id, content }) {
    await rpc("insert_message", { p_room_id: room_id, p_content: content });
    return {};
  },
  async forge({ event }) {
    return { status: await room!.send({ type: "broadcast", event, payload: {} }) };
  },
  async refresh() {
    const { data, error } = await supabase.auth.refreshSession();
    if (error !== null) throw error;
    return { token: data.session!.access_token };
  },
  async listen({ topic }) {
    const channel = supabase.channel(topic, { config: { private: true } });
    const answer = await subscribed(channel);
    await supabase.removeChannel(channel);
    return answer;
  },
};

const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
let rest = "";
for await (const piece of lines) {
  rest += piece;
  while (rest.includes("\n")) {
    const end = rest.indexOf("\n");
    const { command, ...args } = JSON.parse(rest.slice(0, end));
    rest = rest.slice(end + 1);
    try {
      print({ answer: await commands[command](args) });
    } catch (error) {
      print({ failed: String(error) });
    }
  }
}
Deno.exit(0);

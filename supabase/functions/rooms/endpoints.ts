// The nine endpoints. Each is one call of the database as the caller, and its answer in the seed's JSON.
import { type Call, isObject, type Json } from "./database.ts";
import { type Fields, readBody, readNumber, readOnce, readRoomId, refuseOthers } from "./input.ts";
import { invalid } from "./problems.ts";
import { camel, roomOf, tagOf } from "./shapes.ts";

export interface Asked {
  request: Request;
  query: URLSearchParams;
  parameter: (name: string) => string | undefined;
  call: Call;
  joinBaseUrl: string;
}

export interface Answer {
  status?: number;
  body: Json;
  /** For conditional requests; without it the answer is not to be stored. */
  tag?: string;
  location?: string;
}

export interface Endpoint {
  method: "GET" | "POST" | "PATCH" | "DELETE";
  path: string;
  handle: (asked: Asked) => Promise<Answer>;
}

const CREATE_FIELDS: Fields = {
  name: "string",
  maxParticipants: "integer",
  mode: "string",
  visibility: "string",
  settings: "object",
  expiresAfterS: "integer or null",
  roomId: "uuid",
};
const JOIN_FIELDS: Fields = { displayName: "string" };
const STATE_FIELDS: Fields = {
  currentMode: "string",
  mode: "string",
  conversationActive: "boolean",
  name: "string",
  maxParticipants: "integer",
  settings: "object",
  visibility: "string",
  isActive: "boolean",
};
const MAX_SEQ = 999_999_999_999_999;
const MAX_PAGE = 200;

async function createRoom({ request, query, call, joinBaseUrl }: Asked): Promise<Answer> {
  const operation = "create the room";
  refuseOthers(query, operation, []);
  const body = await readBody(request, operation, CREATE_FIELDS);
  if (body.name === undefined) throw invalid(operation, "the name is missing", "Give 1 to 100 characters.");
  const { room, head } = await call("create_room", {
    name: body.name,
    max_participants: body.maxParticipants,
    room_id: body.roomId,
    mode: body.mode,
    visibility: body.visibility,
    settings: body.settings,
    expires_after_s: body.expiresAfterS,
  });
  const shown = roomOf(room, joinBaseUrl);
  return { status: 201, body: { room: shown, head }, location: `/functions/v1/rooms/${String(shown.id)}` };
}

async function getRoomByCode({ query, parameter, call, joinBaseUrl }: Asked): Promise<Answer> {
  refuseOthers(query, "find the room", []);
  const code = parameter("roomCode") ?? "";
  if (code.includes("\0")) throw invalid("find the room", "that is no room code", "Leave out NUL.");
  return { body: { room: wholeRoom(await call("get_room_by_code", { code }), joinBaseUrl) } };
}

async function getRoomById({ query, parameter, call, joinBaseUrl }: Asked): Promise<Answer> {
  const operation = "find the room";
  refuseOthers(query, operation, []);
  const answer = await call("get_room_by_id", { room_id: readRoomId(parameter("roomId"), operation) });
  // A room that was deleted and made again with its id has its heads again.
  const madeAt = isObject(answer.room) ? answer.room.created_at : null;
  const tag = await tagOf(answer.head, [madeAt, answer.participant_count, ...online(answer.participants)]);
  return { body: { room: wholeRoom(answer, joinBaseUrl), head: answer.head }, tag };
}

/** A participant from now on, who takes no place: places are for live connections, which the SDK makes. */
async function joinRoom({ request, query, parameter, call, joinBaseUrl }: Asked): Promise<Answer> {
  const operation = "join the room";
  refuseOthers(query, operation, []);
  const roomId = readRoomId(parameter("roomId"), operation);
  const body = await readBody(request, operation, JOIN_FIELDS, true);
  // The name is an argument that has no default: null keeps the one that the participant has.
  const answer = await call("join_room", { room_id: roomId, display_name: body.displayName ?? null, latest: 0 });
  const count = online(answer.participants).length;
  return {
    body: {
      room: wholeRoom({ ...answer, participant_count: count }, joinBaseUrl),
      participant: camel(answer.me),
      state: camel(answer.state),
      head: answer.head,
    },
  };
}

async function leaveRoom({ query, parameter, call }: Asked): Promise<Answer> {
  const operation = "leave the room";
  refuseOthers(query, operation, []);
  const { head } = await call("leave_room", { room_id: readRoomId(parameter("roomId"), operation) });
  return { body: { head } };
}

async function getParticipants({ query, parameter, call }: Asked): Promise<Answer> {
  const operation = "list the participants";
  refuseOthers(query, operation, ["limit", "cursor"]);
  const answer = await call("get_participants", {
    room_id: readRoomId(parameter("roomId"), operation),
    limit: readNumber(query, "limit", operation, MAX_PAGE),
    cursor: readOnce(query, "cursor", operation),
  });
  const shown = objects(answer.items).map((one) => [one.id, one.is_online]);
  const tag = await tagOf(answer.head, [answer.participant_count, ...shown]);
  return {
    body: {
      participants: camel(answer.items),
      participantCount: answer.participant_count,
      nextCursor: answer.next_cursor,
      head: answer.head,
    },
    tag,
  };
}

async function getMessages({ query, parameter, call }: Asked): Promise<Answer> {
  const operation = "read the messages";
  refuseOthers(query, operation, ["limit", "before", "after"]);
  const answer = await call("get_room_messages", {
    room_id: readRoomId(parameter("roomId"), operation),
    limit: readNumber(query, "limit", operation, MAX_PAGE),
    before: readNumber(query, "before", operation, MAX_SEQ),
    after: readNumber(query, "after", operation, MAX_SEQ),
  });
  const shown = objects(answer.items).map((one) => [one.id, one.status === "streaming" && String(one.content).length]);
  const tag = await tagOf(answer.head, shown);
  return {
    body: {
      messages: camel(answer.items),
      hasMore: answer.has_more,
      nextCursor: answer.next_cursor,
      head: answer.head,
    },
    tag,
  };
}

async function updateState({ request, query, parameter, call, joinBaseUrl }: Asked): Promise<Answer> {
  const operation = "change the room";
  refuseOthers(query, operation, []);
  const roomId = readRoomId(parameter("roomId"), operation);
  const body = await readBody(request, operation, STATE_FIELDS);
  if (body.mode !== undefined && body.currentMode !== undefined && body.mode !== body.currentMode) {
    throw invalid(operation, "mode and currentMode are two names of one thing", "Give one of them.");
  }
  const changes = {
    mode: body.currentMode ?? body.mode,
    conversation_active: body.conversationActive,
    name: body.name,
    max_participants: body.maxParticipants,
    settings: body.settings,
    visibility: body.visibility,
    is_active: body.isActive,
  };
  const { room, state, head } = await call("update_room_state", { room_id: roomId, changes });
  return { body: { room: roomOf(room, joinBaseUrl), state: camel(state), head } };
}

async function deleteRoom({ query, parameter, call }: Asked): Promise<Answer> {
  const operation = "delete the room";
  refuseOthers(query, operation, []);
  await call("delete_room", { room_id: readRoomId(parameter("roomId"), operation) });
  return { body: {} };
}

function wholeRoom(answer: Json, joinBaseUrl: string): Json {
  return roomOf(answer.room, joinBaseUrl, {
    participants: camel(answer.participants),
    participantCount: answer.participant_count,
  });
}

function objects(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function online(participants: unknown): unknown[] {
  return objects(participants).filter((one) => one.is_online === true).map((one) => one.id);
}

export const ENDPOINTS: Endpoint[] = [
  { method: "POST", path: "/create", handle: createRoom },
  { method: "GET", path: "/code/:roomCode", handle: getRoomByCode },
  { method: "GET", path: "/:roomId", handle: getRoomById },
  { method: "POST", path: "/:roomId/join", handle: joinRoom },
  { method: "DELETE", path: "/:roomId/leave", handle: leaveRoom },
  { method: "GET", path: "/:roomId/participants", handle: getParticipants },
  { method: "GET", path: "/:roomId/messages", handle: getMessages },
  { method: "PATCH", path: "/:roomId/state", handle: updateState },
  { method: "DELETE", path: "/:roomId", handle: deleteRoom },
];

// The OpenAPI document that the function serves. A test holds what it says against what the function does.
import { ANSWERS, ref, type Schema, SCHEMAS } from "./openapi_schemas.ts";

interface Operation {
  method: string;
  path: string;
  id: string;
  summary: string;
  description: string;
  /** Status of success, and those of refusals beside the ones that every operation has. */
  success: number;
  refusals: number[];
  body?: { schema: string; required: boolean; example: unknown };
  query?: Schema[];
  isTagged?: boolean;
}

const COMMON = [400, 401, 429, 500, 502, 503];
const WITH_BODY = [413, 415];
const REFUSALS: Record<number, string> = {
  400: "`invalid_argument`, `invalid_room_code`: something in the request is missing, malformed or out of its range.",
  401: "`not_authenticated`: no token of a signed-in user, or one that has run out.",
  403: "`not_host`, `not_participant`, `not_allowed`, `banned`, `kicked`, `room_limit_reached`: it is not yours to do.",
  404: "`room_not_found`: no such room, or none that you may see.",
  409: "`room_inactive`, `conflict`: the room is closed, or the id is used for something else.",
  413: "`body_too_large`: over 64 KiB.",
  415: "`unsupported_media_type`: the body is not said to be JSON.",
  429: "`rate_limited`: wait `retryAfterS` seconds.",
  500: "`internal_error`, `not_configured`: the function's log says why.",
  502: "`upstream_failed`: no answer of the database's API; it may have happened.",
  503: "`busy`: the room was locked for too long; nothing has happened.",
};

const limit = (most: number, usual: number): Schema => ({
  name: "limit",
  in: "query",
  description: "Rows of a page.",
  schema: { type: "integer", minimum: 1, maximum: most, default: usual },
});
const seq = (name: string, description: string): Schema => ({
  name,
  in: "query",
  description,
  schema: { type: "integer", minimum: 0, maximum: 999_999_999_999_999 },
});

const OPERATIONS: Operation[] = [
  {
    method: "post",
    path: "/rooms/create",
    id: "createRoom",
    summary: "Create a room",
    description: "You host it, and are no participant until you join. At most five active rooms a user.",
    success: 201,
    refusals: [403, 409, ...WITH_BODY],
    body: { schema: "CreateRoom", required: true, example: { name: "My Room", maxParticipants: 10 } },
  },
  {
    method: "get",
    path: "/rooms/code/{roomCode}",
    id: "getRoomByCode",
    summary: "Get a room by its code",
    description:
      "For whoever has the code; upper or lower case. It lets you join by the id for ten minutes. Of those who " +
      "are there you see names, no ids. Wrong codes are counted: ten, then one a minute.",
    success: 200,
    refusals: [404],
  },
  {
    method: "get",
    path: "/rooms/{roomId}",
    id: "getRoom",
    summary: "Get a room by its id",
    description: "For its host and its participants.",
    success: 200,
    refusals: [404],
    isTagged: true,
  },
  {
    method: "post",
    path: "/rooms/{roomId}/join",
    id: "joinRoom",
    summary: "Join a room",
    description:
      "You are a participant from now on: you read and are read, and the others are told. You take no place, and " +
      "are not online: a place is for a live connection, which the SDK makes. So a full room can be joined too. Look the " +
      "code up first, unless the room is public or you are in it. Joining again is harmless, and changes your name.",
    success: 200,
    refusals: [403, 404, 409, ...WITH_BODY],
    body: { schema: "JoinRoom", required: false, example: { displayName: "John Doe" } },
  },
  {
    method: "delete",
    path: "/rooms/{roomId}/leave",
    id: "leaveRoom",
    summary: "Leave a room",
    description: "Ends all your connections. You stay a participant, offline, who may read and come back.",
    success: 200,
    refusals: [403, 404],
  },
  {
    method: "get",
    path: "/rooms/{roomId}/participants",
    id: "getParticipants",
    summary: "List the participants",
    description: "For host and participants; by the time they joined first.",
    success: 200,
    refusals: [403, 404],
    isTagged: true,
    query: [
      limit(200, 200),
      { name: "cursor", in: "query", description: "`nextCursor` of the page before.", schema: { type: "string" } },
    ],
  },
  {
    method: "get",
    path: "/rooms/{roomId}/messages",
    id: "getMessages",
    summary: "Read the messages",
    description:
      "For host and participants; oldest first: the newest ones, those before a `seq`, or those after one. " +
      "A page holds about 256 kB at most. `nextCursor` goes into `before` again, or into `after`.",
    success: 200,
    refusals: [403, 404],
    isTagged: true,
    query: [
      limit(200, 50),
      seq("before", "Messages with a smaller `seq`; not beside `after`."),
      seq("after", "Messages with a larger `seq`; not beside `before`."),
    ],
  },
  {
    method: "patch",
    path: "/rooms/{roomId}/state",
    id: "updateRoomState",
    summary: "Change a room",
    description: "For its host. What is not named stays; a request that changes nothing is no change.",
    success: 200,
    refusals: [403, 404, 409, ...WITH_BODY],
    body: { schema: "UpdateState", required: true, example: { currentMode: "playful" } },
  },
  {
    method: "delete",
    path: "/rooms/{roomId}",
    id: "deleteRoom",
    summary: "Delete a room",
    description: "For its host. Participants and messages go with it, and everybody in it is told.",
    success: 200,
    refusals: [403, 404],
  },
];

const PATH_PARAMETERS: Record<string, Schema> = {
  roomId: { name: "roomId", in: "path", required: true, schema: { type: "string", format: "uuid" } },
  roomCode: {
    name: "roomCode",
    in: "path",
    required: true,
    schema: { type: "string", pattern: "^[A-HJ-NP-Za-hj-np-z2-9]{6}$" },
  },
};

const text = (description: string): Schema => ({ description, schema: { type: "string" } });
const number = (description: string): Schema => ({ description, schema: { type: "integer", minimum: 0 } });
const HEADERS: Record<string, Schema> = {
  "X-Request-Id": text("Yours if you sent one, else a new one; it stands in the function's log."),
  "RateLimit-Limit": number("Requests in a quarter of an hour."),
  "RateLimit-Remaining": number("How many are left."),
  "RateLimit-Reset": number("Seconds until all are there again."),
  "RateLimit-Policy": text("`100;w=900`: requests, seconds."),
  "Retry-After": number("Seconds to wait."),
  ETag: text("For `If-None-Match`."),
  Location: text("The room's path."),
};

const headers = (...names: string[]): Schema =>
  Object.fromEntries(
    names.map((name) => [name, { $ref: `#/components/headers/${name}` }]),
  );
const LIMIT_HEADERS = ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy"];

function operation(one: Operation): Schema {
  const more = [...(one.success === 201 ? ["Location"] : []), ...(one.isTagged ? ["ETag"] : [])];
  const responses: Schema = {
    [one.success]: {
      description: "Done.",
      headers: headers("X-Request-Id", ...LIMIT_HEADERS, ...more),
      content: { "application/json": { schema: ANSWERS[one.id] } },
    },
  };
  if (one.isTagged) {
    responses[304] = {
      description: "What you hold is what it would answer.",
      headers: headers("X-Request-Id", ...LIMIT_HEADERS, "ETag"),
    };
  }
  for (const status of [...COMMON, ...one.refusals]) {
    responses[status] = { $ref: `#/components/responses/${status}` };
  }
  const names = [...one.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? "");
  const held: Schema = {
    name: "If-None-Match",
    in: "header",
    description: "An `ETag` that you hold.",
    schema: { type: "string" },
  };
  return {
    operationId: one.id,
    summary: one.summary,
    description: one.description,
    parameters: [...names.map((name) => PATH_PARAMETERS[name]), ...(one.query ?? []), ...(one.isTagged ? [held] : [])],
    ...(one.body && {
      requestBody: {
        required: one.body.required,
        content: { "application/json": { schema: ref(one.body.schema), example: one.body.example } },
      },
    }),
    responses,
  };
}

export function openApi(url: string): Schema {
  const paths: Record<string, Record<string, Schema>> = {};
  for (const one of OPERATIONS) paths[one.path] = { ...paths[one.path], [one.method]: operation(one) };
  const refusal = (status: number, description: string): Schema => ({
    description,
    headers: headers("X-Request-Id", ...(status === 429 || status === 503 ? ["Retry-After"] : [])),
    content: { "application/json": { schema: ref("Error") } },
  });
  return {
    openapi: "3.1.0",
    info: {
      title: "spaces: rooms over HTTP",
      version: "1",
      description: "Rooms where people and AI bots hold one conversation. Every request runs as the user of its token.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: `${url}/functions/v1` }, { url: `${url}/functions/v1/rooms/api` }],
    security: [{ user: [] }],
    paths,
    components: {
      securitySchemes: {
        user: { type: "http", scheme: "bearer", bearerFormat: "JWT", description: "The access token of a session." },
      },
      schemas: SCHEMAS,
      headers: HEADERS,
      responses: Object.fromEntries(Object.entries(REFUSALS).map(([status, said]) => [status, refusal(+status, said)])),
    },
  };
}

// The shapes of the OpenAPI document.
import { CODES } from "./problems.ts";

export type Schema = Record<string, unknown>;

const UUID = { type: "string", format: "uuid" };
const TIME = { type: "string", format: "date-time" };
const TEXT = { type: "string" };
const YES_NO = { type: "boolean" };
const COUNT = { type: "integer", minimum: 0 };
const OPEN = { type: "object", additionalProperties: true };

const orNull = (schema: Schema): Schema => ({ ...schema, type: [schema.type, "null"] });
const listOf = (schema: Schema): Schema => ({ type: "array", items: schema });
const oneOf = (...values: string[]): Schema => ({ type: "string", enum: values });
const said = (schema: Schema, description: string): Schema => ({ ...schema, description });
export const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

/** An object of which every field is always there. */
export function whole(properties: Record<string, Schema>): Schema {
  return { type: "object", properties, required: Object.keys(properties) };
}

/** A body: nothing else may stand in it. */
function asked(properties: Record<string, Schema>, required: string[] = []): Schema {
  return { type: "object", properties, required, additionalProperties: false };
}

const NAME = said({ type: "string", minLength: 1, maxLength: 100 }, "1 to 100 characters after trimming.");
const PLACES = { type: "integer", minimum: 1, maximum: 50 };
const MODE = said(TEXT, "gangster, playful, philosopher, conspiracy, wildcard, or one that your project has added.");
const VISIBILITY = oneOf("private", "unlisted", "public");
const SETTINGS = said(OPEN, "Yours, at most 16 kB; names inside are not changed.");
const HEAD = said(COUNT, "The room's change counter: how many changes it has seen.");

const ROOM = {
  id: UUID,
  roomCode: { type: "string", pattern: "^[A-HJ-NP-Z2-9]{6}$" },
  name: TEXT,
  hostUserId: said(orNull(UUID), "Null when the host's account is gone, until somebody is promoted."),
  maxParticipants: PLACES,
  isActive: said(YES_NO, "False: the room is closed."),
  currentMode: MODE,
  conversationActive: YES_NO,
  settings: SETTINGS,
  visibility: VISIBILITY,
  expiresAfterS: said(
    orNull({ type: "integer" }),
    "Seconds without activity after which it is deleted; null keeps it.",
  ),
  createdAt: TIME,
  lastActivity: TIME,
  joinLink: said(orNull(TEXT), "SPACES_JOIN_BASE_URL with the code behind it; null where that is not set."),
};
const PEOPLE = {
  participantCount: said(COUNT, "Users who are online now."),
};
const PARTICIPANT = {
  id: UUID,
  roomId: UUID,
  userId: UUID,
  displayName: TEXT,
  isOnline: said(YES_NO, "A connection of theirs is live."),
  joinedAt: TIME,
  lastSeen: TIME,
  role: oneOf("host", "moderator", "member"),
  kind: oneOf("human", "bot"),
  isMuted: YES_NO,
  voiceSince: orNull(TIME),
};

export const SCHEMAS: Record<string, Schema> = {
  Room: whole(ROOM),
  RoomWithParticipants: whole({ ...ROOM, participants: listOf(ref("Participant")), ...PEOPLE }),
  RoomPreview: whole({ ...ROOM, participants: listOf(ref("PreviewParticipant")), ...PEOPLE }),
  Participant: whole(PARTICIPANT),
  PreviewParticipant: said(
    whole({
      displayName: TEXT,
      isOnline: YES_NO,
      kind: oneOf("human", "bot"),
      role: oneOf("host", "moderator", "member"),
    }),
    "What somebody with the code sees of a participant before joining.",
  ),
  State: whole({
    mode: MODE,
    conversationActive: YES_NO,
    name: TEXT,
    maxParticipants: PLACES,
    settings: SETTINGS,
    host: orNull(UUID),
    visibility: VISIBILITY,
    isActive: YES_NO,
    turn: said(
      orNull(whole({ userId: UUID, messageId: UUID, position: COUNT })),
      "The bot that the host has picked last to answer a message, and the step of the room at which.",
    ),
    botsResumeAt: said(
      orNull(TIME),
      "While it is in the future, the room's bots have used up their day and are silent.",
    ),
  }),
  Message: whole({
    id: UUID,
    roomId: UUID,
    userId: said(orNull(UUID), "Null for system messages, and when the author's account is gone."),
    messageType: oneOf("user_text", "user_voice", "ai_response", "system"),
    content: TEXT,
    metadata: OPEN,
    createdAt: TIME,
    seq: said(COUNT, "Orders the messages of a room; not dense."),
    revision: said(COUNT, "The room's change at which it last changed."),
    status: oneOf("final", "streaming", "stopped", "deleted"),
    replyTo: orNull(UUID),
    updatedAt: TIME,
    displayName: said(TEXT, "The author's name at that time."),
    senderKind: oneOf("human", "bot", "system"),
    reactions: { type: "object", additionalProperties: COUNT },
  }),
  Error: whole({
    success: { const: false },
    error: {
      type: "object",
      properties: {
        code: { type: "string", enum: Object.keys(CODES) },
        message: said(TEXT, "cannot <operation>: <reason>"),
        hint: said(TEXT, "What to do next."),
        retryAfterS: said({ type: "number" }, "With `rate_limited` and `busy`: seconds to wait."),
      },
      required: ["code", "message", "hint"],
    },
  }),
  CreateRoom: asked(
    {
      name: NAME,
      maxParticipants: { ...PLACES, default: 10 },
      mode: { ...MODE, default: "gangster" },
      visibility: { ...VISIBILITY, default: "unlisted" },
      settings: SETTINGS,
      expiresAfterS: said(
        { type: ["integer", "null"], minimum: 1, maximum: 315360000, default: 86400 },
        "Seconds without activity after which the room is deleted; null keeps it.",
      ),
      roomId: said(UUID, "Chosen by you: the same request again makes no second room."),
    },
    ["name"],
  ),
  JoinRoom: asked({
    displayName: said(
      { type: "string", minLength: 1, maxLength: 50 },
      "1 to 50 characters after trimming. Who is a participant already may leave it out, and keeps their name.",
    ),
  }),
  UpdateState: asked({
    currentMode: MODE,
    mode: said(MODE, "Another name of `currentMode`."),
    conversationActive: YES_NO,
    name: NAME,
    maxParticipants: PLACES,
    settings: said(OPEN, "Merged key by key; null removes a key."),
    visibility: VISIBILITY,
    isActive: said(YES_NO, "False closes the room, true opens it again."),
  }),
};

const success = (properties: Record<string, Schema>): Schema => whole({ success: { const: true }, ...properties });
const NEXT = said(orNull(TEXT), "Where the next page begins; null on the last.");

export const ANSWERS: Record<string, Schema> = {
  createRoom: success({ room: ref("Room"), head: HEAD }),
  getRoomByCode: success({ room: ref("RoomPreview") }),
  getRoom: success({ room: ref("RoomWithParticipants"), head: HEAD }),
  joinRoom: success({
    room: ref("RoomWithParticipants"),
    participant: ref("Participant"),
    state: ref("State"),
    head: HEAD,
  }),
  leaveRoom: success({ head: said(orNull(COUNT), "Null if you were removed before.") }),
  getParticipants: success({
    participants: listOf(ref("Participant")),
    ...PEOPLE,
    nextCursor: NEXT,
    head: HEAD,
  }),
  getMessages: success({
    messages: listOf(ref("Message")),
    hasMore: YES_NO,
    nextCursor: NEXT,
    head: HEAD,
  }),
  updateRoomState: success({ room: ref("Room"), state: ref("State"), head: HEAD }),
  deleteRoom: success({}),
};

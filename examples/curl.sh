#!/bin/sh
# The rooms over plain HTTP, with nothing but curl: every endpoint once, by two people.
#   eval "$(spaces status)" && sh examples/curl.sh          beside a running `spaces up`
#   SUPABASE_URL=https://REF.supabase.co SUPABASE_PUBLISHABLE_KEY=sb_publishable_... sh examples/curl.sh
set -eu
: "${SUPABASE_URL:?}" "${SUPABASE_PUBLISHABLE_KEY:?}"
rooms="$SUPABASE_URL/functions/v1/rooms"

# One field of a JSON answer: field NAME < JSON. Enough for this; use jq for more.
field() { sed -n "s/.*\"$1\":\"\\([^\"]*\\)\".*/\\1/p"; }

# An anonymous user of Supabase Auth; any other way to sign in gives such a token too.
sign_in() {
  answer=$(curl -sS --fail-with-body -X POST "$SUPABASE_URL/auth/v1/signup" \
    -H "apikey: $SUPABASE_PUBLISHABLE_KEY" -H "Content-Type: application/json" -d '{}') || refused
  printf '%s\n' "$answer" | field access_token
}

refused() {
  printf '%s\n' "$answer" >&2
  exit 1
}

# ask TOKEN METHOD PATH [BODY]: one request, its answer on a line; a refusal ends the script.
ask() {
  printf '%s %s ' "$2" "$3" >&2
  if [ $# -gt 3 ]; then
    answer=$(curl -sS --fail-with-body -X "$2" "$rooms$3" \
      -H "Authorization: Bearer $1" -H "Content-Type: application/json" -d "$4") || refused
  else
    answer=$(curl -sS --fail-with-body -X "$2" "$rooms$3" -H "Authorization: Bearer $1") || refused
  fi
  printf '%s\n' "$answer" >&2
  printf '%s\n' "$answer"
}

ada=$(sign_in)
bob=$(sign_in)

room=$(ask "$ada" POST /create '{"name": "My Room", "maxParticipants": 10}')
id=$(echo "$room" | sed 's/.*"room":{"id":"\([^"]*\)".*/\1/')
code=$(echo "$room" | field roomCode)

ask "$ada" POST "/$id/join" '{"displayName": "Ada"}' > /dev/null
ask "$bob" GET "/code/$code" > /dev/null                             # whoever has the code may look, and then join
ask "$bob" POST "/$id/join" '{"displayName": "Bob"}' > /dev/null
ask "$bob" GET "/$id" > /dev/null
ask "$bob" GET "/$id/participants?limit=50" > /dev/null
ask "$ada" PATCH "/$id/state" '{"currentMode": "playful"}' > /dev/null
ask "$bob" GET "/$id/messages?limit=20" > /dev/null

# What you hold already is not sent again.
tag=$(curl -sS -D - -o /dev/null "$rooms/$id/messages" -H "Authorization: Bearer $bob" | tr -d '\r' | sed -n 's/^etag: //p')
held=$(curl -sS -o /dev/null -w '%{http_code}' "$rooms/$id/messages" -H "Authorization: Bearer $bob" -H "If-None-Match: $tag")
echo "GET /$id/messages with If-None-Match: $held" >&2

ask "$bob" DELETE "/$id/leave" > /dev/null
ask "$ada" DELETE "/$id" > /dev/null
curl -sS --fail-with-body -o /dev/null "$rooms/openapi.json"
echo "Done: $rooms/openapi.json describes all of it."

"""One person, one room, one message. Needs SUPABASE_URL and SUPABASE_PUBLISHABLE_KEY (`spaces up` prints both)."""

import asyncio

from spaces_sdk import MessageReceived, Spaces


async def main() -> None:
    async with Spaces.from_env() as spaces:
        await spaces.auth.sign_in_anonymously()
        room = await spaces.rooms.create_room("Friday jam", max_participants=10)
        async with spaces.join(room.room_code, display_name="Ada") as session:
            await session.send("hello")
            async for event in session.events():
                if isinstance(event, MessageReceived):
                    print(f"{event.message.display_name} in {room.room_code}: {event.message.content}")
                    break


asyncio.run(main())

"""Takes the content of a file at the address that Upload File has given; the address is the permission."""

from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from amazonpay_nb.emulator.api.request import refused, reply
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.world import World
from amazonpay_nb.spec.requests import FILE_TYPES

CONTENT_PATH = "/v1/files/{file_id}/contents"


async def put_content(world: World, request: Request) -> Response:
    """Note a file's size, which is all that the emulator keeps of its content."""
    file = world.store.get("File", request.path_params["file_id"])
    if file is None or world.clock.now() > datetime.fromisoformat(file.document["urlExpirationTimestamp"]):
        return refused(world, Refusal("ResourceNotFound", "No file can be put here, or no longer."))
    expected = FILE_TYPES[file.document["type"]]
    if request.headers.get("content-type") != expected:
        return refused(world, Refusal("InvalidHeaderValue", f"This file is sent as content-type {expected}."))
    file.document["size"] = len(await request.body())
    world.store.put(file)
    return reply(world, 200, "{}")

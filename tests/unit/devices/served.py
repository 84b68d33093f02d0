"""A real uvicorn on an ephemeral port, as the intake runs it."""

import asyncio
from contextlib import asynccontextmanager

import uvicorn


@asynccontextmanager
async def served(app):
    """Base address of `app`, served by real sockets on loopback until the block ends."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, lifespan="on", access_log=False, proxy_headers=False, log_level="warning"
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        if running.done():
            running.result()
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await running

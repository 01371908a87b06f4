"""A JupyterLab that ends when it is told to, in the middle of requests, too."""

import asyncio

from jupyterlab.labapp import main
from tornado.ioloop import IOLoop

_TRIES = 10  # a second each


async def _end_tasks() -> None:
    # As `asyncio.run` does in the end.  Jupyter's server does not, and a thread that works for a request ends only
    # after the request's task: the process would wait for it forever.  What waits for a kernel's first answer catches
    # the first cancellation, and the tab's request goes on to wait for its next message.
    for _ in range(_TRIES):
        if not (tasks := asyncio.all_tasks() - {asyncio.current_task()}):
            break
        for task in tasks:
            task.cancel()
        await asyncio.wait([asyncio.gather(*tasks, return_exceptions=True)], timeout=1)


if __name__ == "__main__":
    try:
        main()
    finally:
        IOLoop.current().run_sync(_end_tasks)

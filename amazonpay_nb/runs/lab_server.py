"""A JupyterLab that ends when it is told to, in the middle of requests, too."""

import asyncio

from jupyterlab.labapp import main
from tornado.ioloop import IOLoop


async def _end_tasks() -> None:
    # As `asyncio.run` does in the end.  Jupyter's server does not, and a thread that works for a request ends only
    # after the request's task: the process would wait for it forever.
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    try:
        main()
    finally:
        IOLoop.current().run_sync(_end_tasks)

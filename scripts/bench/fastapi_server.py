"""The peer with FastAPI: a thread pool decodes and computes each request, both without Python's lock. `BENCH_TASK` has
the model, the port, the worker processes, the threads of a session and those of the pool."""

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from peer_model import Model, end_with_benchmark

task = json.loads(os.environ["BENCH_TASK"])


def create_app():
    model = Model(task["model"], task["threads"])
    pool = ThreadPoolExecutor(task["pool"])
    app = FastAPI()

    def classify(photo):
        return model.answer(model.run([model.prepare(photo)])[0])

    @app.post("/classify")
    async def handle(request: Request):
        if request.headers["content-type"].startswith("multipart/"):
            async with request.form() as form:
                photo = await form["image"].read()
        else:
            photo = await request.body()
        return JSONResponse(await asyncio.get_running_loop().run_in_executor(pool, classify, photo))

    return app


if __name__ == "__main__":
    end_with_benchmark()
    uvicorn.run(
        "fastapi_server:create_app",
        factory=True,
        host="127.0.0.1",
        port=task["port"],
        workers=task["workers"],
        log_level="warning",
        access_log=False,
    )

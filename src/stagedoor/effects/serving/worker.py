"""`python -m stagedoor.effects.serving.worker FOLDER SOCKET`: one version, loaded, that answers on a unix socket.

It says on stdout, in one line of JSON, that it is ready or why it never will be. It ends when its stdin does, so it
does not outlive who started it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, Final

# how long a connection without a call stays: longer than the other side keeps one, so that none breaks under a call
KEEP_OPEN: Final = 3600


def main() -> None:
    """Load, prove that it predicts, and answer until told to stop."""
    folder, socket, threads = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    # whatever a model prints goes to the log, and cannot be taken for what is said here
    said = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["_MLFLOW_IS_IN_SERVING_ENVIRONMENT"] = "true"
    try:
        model = load(folder)
    except BaseException as error:
        _say(said, {"failed": f"{type(error).__name__}: {error}"[:2_000]})
        raise SystemExit(3) from error
    _answer(model, socket, threads, lambda: _say(said, {"ready": True}))


def _say(stream: Any, what: dict[str, Any]) -> None:
    stream.write(json.dumps(what) + "\n")
    stream.flush()


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


def load(folder: Path) -> Any:
    """The model in a folder. It has to predict for the input example it was saved with, where there is one."""
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(str(folder))
    example = folder / "serving_input_example.json"
    if example.is_file():
        from stagedoor.effects.serving.scoring import score

        answer = score(model, example.read_bytes(), "application/json")
        if answer.status != 200:
            raise RuntimeError(f"it does not predict for its own input example: {answer.body}")
    return model


def _answer(model: Any, socket: str, threads: int, ready: Any) -> None:
    import uvicorn
    from anyio import CapacityLimiter, to_thread
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from stagedoor.effects.serving.scoring import score

    async def invocations(request: Request) -> Response:
        body, kind = await request.body(), request.headers.get("content-type", "")
        answer = await to_thread.run_sync(score, model, body, kind, limiter=limiter)
        if answer.trace:
            sys.stderr.write(answer.trace + "\n")
        return Response(answer.body, answer.status, media_type=answer.media)

    limiter = CapacityLimiter(threads)
    app = Starlette(routes=[Route("/invocations", invocations, methods=["POST"])])
    config = uvicorn.Config(
        app, uds=socket, log_config=None, access_log=False, lifespan="off", timeout_keep_alive=KEEP_OPEN
    )

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            ready()

    Server(config).run()


if __name__ == "__main__":
    main()

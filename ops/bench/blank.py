"""The receiver's first ceiling: the same server, framework and sizes, and a handler that does nothing."""

from __future__ import annotations

from flask import Flask, Response, jsonify, request


def create() -> Flask:
    """An application that reads the body and says accepted."""
    app = Flask(__name__)

    @app.post("/callbacks/<account>/<token>")
    def callback(account: str, token: str) -> Response:  # noqa: ARG001 - the route is the receiver's
        request.get_data(cache=False)
        return jsonify({"verdict": "accepted"})

    @app.get("/healthz")
    def health() -> Response:
        return jsonify({"status": "ok"})

    return app

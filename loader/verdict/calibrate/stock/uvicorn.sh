# uvicorn with an ASGI application.
cat >app.py <<'END'
async def app(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError(scope["type"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]})
    await send({"type": "http.response.body", "body": b"hello\n"})
END
exec uvicorn --port "$PORT" --lifespan off app:app

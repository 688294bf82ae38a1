# gunicorn with a WSGI application: a master and a worker, which closes each connection.
cat >app.py <<'END'
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "6")])
    return [b"hello\n"]
END
exec gunicorn --bind "127.0.0.1:$PORT" app:app

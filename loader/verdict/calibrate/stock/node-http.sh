# Node's HTTP server.
exec node -e 'require("http").createServer((_, response) => response.end("hello\n")).listen(process.env.PORT, "127.0.0.1")'

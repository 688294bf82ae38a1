# Node's HTTP/2 server without TLS.
exec node -e 'require("http2").createServer((_, response) => response.end("hello\n")).listen(process.env.PORT, "127.0.0.1")'

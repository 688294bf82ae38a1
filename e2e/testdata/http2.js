// An HTTP/2 server of Node's that says hello on HOST:PORT. The files of a key and a certificate make it one with TLS.
const http2 = require('http2');
const fs = require('fs');

const [key, cert] = process.argv.slice(2);
const server = key ? http2.createSecureServer({ key: fs.readFileSync(key), cert: fs.readFileSync(cert) }) : http2.createServer();
server.on('stream', (stream) => {
  stream.resume();
  stream.on('end', () => {
    stream.respond({ ':status': 200, 'content-type': 'text/plain' });
    stream.end('Hello, warp!');
  });
});
server.listen(Number(process.env.PORT), process.env.HOST);

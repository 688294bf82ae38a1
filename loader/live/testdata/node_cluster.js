// A primary with two workers. GET /?end ends the worker that answers; another one is forked in its place.
const cluster = require('node:cluster');
const http = require('node:http');
if (cluster.isPrimary) {
  let port = 0;
  cluster.fork();
  cluster.fork();
  cluster.on('exit', () => cluster.fork());
  cluster.on('listening', (worker, at) => {
    const pids = Object.values(cluster.workers).map((w) => w.process.pid);
    if (port === 0 && (port = at.port)) console.log(port, pids.join(' '));
  });
} else {
  const kept = [];
  http.createServer((request, response) => {
    const query = new URL(request.url, 'http://localhost').searchParams;
    for (let i = 0; i < Number(query.get('keep')); i++) kept.push({ i, text: 'text ' + i });
    response.end(String(process.pid), () => query.has('end') && process.exit());
  }).listen(0, '127.0.0.1');
}

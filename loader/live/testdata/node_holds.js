// A server that does what it is asked on /: ?keep=N objects, ?buffers=N Buffers of 32 KB, ?drop to let go of all.
const http = require('node:http');
let kept = [];
const server = http.createServer((request, response) => {
  const query = new URL(request.url, 'http://localhost').searchParams;
  for (let i = 0; i < Number(query.get('keep')); i++) kept.push({ a: i, b: String(i) + 'x' });
  for (let i = 0; i < Number(query.get('buffers')); i++) kept.push(Buffer.alloc(32 << 10, 1));
  for (let i = 0; i < Number(query.get("log")); i++) console.log('%o', { text: 'x'.repeat(1000) });
  if (query.has('drop')) kept = [];
  if (query.has('finalize')) {
    const registry = new FinalizationRegistry(() => {});
    for (let i = 0; i < 1000; i++) { const o = { i }; registry.register(o, new WeakRef(o)); }
  }
  response.end(String(kept.length));
});
server.listen(Number(process.env.PORT || 0), '127.0.0.1', () => console.log(server.address().port));

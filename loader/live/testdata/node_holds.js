// A server that does on GET what its query asks for, and keeps it until ?drop.
const http = require('node:http');

let kept = [];
const cache = new Map();
const registry = new FinalizationRegistry((key) => cache.delete(key));
const server = http.createServer((request, response) => {
  const query = new URL(request.url, 'http://localhost').searchParams;
  const count = (name) => Number(query.get(name));
  for (let i = 0; i < count('keep'); i++) kept.push({ i, text: 'text ' + i });
  for (let i = 0; i < count('buffers'); i++) kept.push(Buffer.alloc(32 << 10, 1));
  for (let i = 0; i < count('log'); i++) console.log({ text: Buffer.alloc(10000, 'x').toString() }.text.length, { hidden: Buffer.alloc(10000) }.hidden.length, Object.assign(() => 0, { text: Buffer.alloc(10000, 'x').toString() }));
  for (let i = 0; i < count('finalize'); i++) {
    const object = {};
    cache.set(i, Buffer.alloc(32 << 10, 1));
    registry.register(object, i);
  }
  if (query.has('drop')) kept = [];
  if (query.has('exit')) process.exit();
  response.end();
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));

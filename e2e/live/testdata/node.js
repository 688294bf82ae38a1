// An HTTP server in Node.js that does with each request what its argument says, SIZE bytes a request:
//   node node.js kept|dropped|cache|cluster SIZE
const cluster = require('node:cluster');
const http = require('node:http');

const [what, size] = [process.argv[2], Number(process.argv[3])];
const kept = [];
const cache = new Map(); // of 500 entries at most
let number = 0;

function serve() {
  http.createServer((request, response) => {
    number++;
    switch (what) {
      case 'kept':
        kept.push(Buffer.alloc(size, 1));
        break;
      case 'dropped':
        Buffer.alloc(size, 1);
        break;
      case 'cache':
        if (cache.size >= 500) cache.delete(cache.keys().next().value);
        cache.set(number, { text: 'x'.repeat(size) + number });
        JSON.parse(JSON.stringify(Array.from({ length: 200 }, (_, i) => ({ i, number }))));
        break;
      case 'cluster':
        kept.push(new Float64Array(size / 8));
        break;
    }
    response.end('Hello, world!');
  }).listen(Number(process.env.PORT), '127.0.0.1');
}

if (what === 'cluster' && cluster.isPrimary) {
  cluster.fork();
  cluster.fork();
} else {
  serve();
}

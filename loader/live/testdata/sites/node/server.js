// A server that keeps something of each request, in the way that LEAK names; of none with LEAK=none. It listens at PORT.
const { EventEmitter } = require('node:events');
const http = require('node:http');
const { Worker, isMainThread, parentPort } = require('node:worker_threads');

// Garbage, as any server makes it.
function render(number) {
  const rows = [];
  for (let i = 0; i < 50; i++) rows.push({ number, text: 'row ' + i });
  return JSON.stringify(rows);
}

class Session { // 10 words: 3 of the object, 7 of its fields; V8 allocates it for the function that says new
  static last = null;
  constructor(number, before) {
    this.number = number;
    this.before = before;
    this.a = this.b = this.c = this.d = this.e = number;
  }
}
function openSession(number) {
  Session.last = new Session(number, Session.last);
}

const bus = new EventEmitter();
bus.setMaxListeners(0);
function subscribe(number) {
  const state = { number, values: [number, number, number, number] };
  bus.on('change', () => state);
}

const cache = new Map();
function lookUp(number) {
  const key = '/item/' + number;
  if (!cache.has(key)) cache.set(key, { key, parts: key.split('/'), number });
  return cache.get(key);
}

const uploads = [];
function keepUpload() {
  uploads.push(Buffer.alloc(4096, 1));
}

const pages = [];
function keepPage() {
  pages.push(new Float64Array(512));
}

const recent = new Array(64);
function remember(number) {
  recent[number % 64] = { number, text: 'text ' + number };
}

const worker = isMainThread && process.env.LEAK === 'worker' ? new Worker(__filename) : null;
function post(number) {
  worker.postMessage(number);
}

const leaks = {
  static: openSession, listener: subscribe, cache: lookUp, buffer: keepUpload, arraybuffer: keepPage, worker: post, none: remember,
};
if (isMainThread) {
  const keep = leaks[process.env.LEAK];
  let number = 0;
  const server = http.createServer((request, response) => {
    keep(number++);
    response.end(render(number));
  });
  server.listen(Number(process.env.PORT), '127.0.0.1', () => console.log(server.address().port));
} else {
  parentPort.on('message', openSession);
}

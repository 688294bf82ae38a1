// An ES module with worker threads, each of which keeps what main posts to it; one more is blocked for good.
import http from 'node:http';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';

if (isMainThread) {
  const file = fileURLToPath(import.meta.url);
  const workers = [];
  for (let i = 0; i < 2; i++) {
    const worker = new Worker(file);
    await new Promise((resolve) => worker.once('message', resolve));
    workers.push(worker);
  }
  const blocked = new Worker(file, { workerData: new Int32Array(new SharedArrayBuffer(4)) });
  await new Promise((resolve) => blocked.once('message', resolve));
  const server = http.createServer(async (request, response) => {
    const query = new URL(request.url, 'http://localhost').searchParams;
    const worker = workers[Number(query.get('worker'))];
    if (query.has('end')) {
      await worker.terminate();
    } else {
      const done = new Promise((resolve) => worker.once('message', resolve));
      worker.postMessage({ keep: Number(query.get('keep')), buffers: Number(query.get('buffers')) });
      await done;
    }
    response.end();
  });
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
} else {
  const kept = [];
  parentPort.on('message', ({ keep, buffers }) => {
    for (let i = 0; i < keep; i++) kept.push({ i, text: 'text ' + i });
    for (let i = 0; i < buffers; i++) kept.push(Buffer.alloc(32 << 10, 1));
    parentPort.postMessage('done');
  });
  parentPort.postMessage('ready');
  if (workerData) setTimeout(() => Atomics.wait(workerData, 0, 0), 10);
}

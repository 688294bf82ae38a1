// An HTTP server that makes garbage in each request, and keeps an object of it if KEEP=1.
//
// V8 has pointers of 8 bytes in Node. An object of 10 properties takes 3 words for itself and one for each property: 104
// bytes. The array takes 8 bytes for a reference to it, and up to half as much again in reserve, since it grows by jumps.
const http = require("http")

const keep = process.env.KEEP === "1"
const kept = []
let requests = 0

http.createServer((_, response) => {
	requests++
	let garbage = []
	for (let n = 0; n < 50; n++) garbage.push({ n, text: "garbage " + n })
	garbage = Buffer.alloc(8 << 10, garbage.length)
	if (keep) kept.push({ a: requests, b: 1, c: 2, d: 3, e: 4, f: 5, g: 6, h: 7, i: 8, j: 9 })
	response.end("hello\n")
}).listen(process.env.PORT, "127.0.0.1")

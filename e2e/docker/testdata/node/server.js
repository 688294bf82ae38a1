// Answers all requests. With KEEP=true it keeps an object of each: a header and the references to seven values.
"use strict";
const http = require("node:http");

const keeps = process.env.KEEP === "true";
let newest = null;

http.createServer((request, response) => {
  if (keeps) newest = { before: newest, a: 1, b: 2, c: 3, d: 4, e: 5, f: 6 };
  response.end("Hello, warp!");
}).listen(8080);

# Node's cluster: a master, which hands connections to two workers.
cat >cluster.js <<'END'
const cluster = require("cluster")
if (cluster.isPrimary) {
	cluster.fork()
	cluster.fork()
} else {
	require("http").createServer((_, response) => response.end("hello\n")).listen(process.env.PORT, "127.0.0.1")
}
END
exec node cluster.js

# puma with a Rack application: one process with threads.
echo 'run ->(_) { [200, { "Content-Type" => "text/plain" }, ["hello\n"]] }' >config.ru
exec puma --bind "tcp://127.0.0.1:$PORT"

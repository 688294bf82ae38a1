# Debian's Jetty 9 with the modules that it is installed with, and a page. The folder it runs in becomes its base.
mkdir webapps webapps/ROOT resources lib lib/ext
cat /etc/jetty9/start.ini >start.ini
echo hello >webapps/ROOT/index.html
exec java -Djava.io.tmpdir="$PWD" -jar /usr/share/jetty9/start.jar jetty.home=/usr/share/jetty9 "jetty.base=$PWD" "jetty.http.port=$PORT"
